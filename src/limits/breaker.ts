import type { Clock } from '../ports/clock.ts'
import { callWindow } from './call-window.ts'

/** When a breaker opens, and for how long. */
export interface BreakerRules {
  /** Failures in a row that open it. */
  readonly failures: number
  /** Share of failures, 0 to 1, that opens it once `callsMin` calls ended within `windowMs`. */
  readonly failureRate: number
  readonly callsMin: number
  readonly windowMs: number
  /** A call that takes longer is a failure, from that moment on and whether it ever ends or not. */
  readonly slowMs: number
  /** First open period. It doubles with each probe that fails, up to `openMaxMs`; half of it is random. */
  readonly openMs: number
  readonly openMaxMs: number
}

export type BreakerState = 'closed' | 'half_open' | 'open'

/** How a call ended, as far as it speaks of the other side; `unsaid` when it does not, e.g. because its caller left. */
export type Ending = 'ok' | 'failed' | 'unsaid'

/** Let through, to be ended once; or not, and then the breaker cannot let anybody through any sooner than it says. */
export type Entrance =
  | { readonly ok: true; readonly ended: (ending: Ending) => void }
  | { readonly ok: false; readonly retryAfterMs: number }

export interface Breaker {
  enter(tenant: string): Entrance
  /** How long until it may let a call of the tenant through, milliseconds; 0 when it would now. Takes nothing. */
  waitMs(tenant: string): number
  state(): BreakerState
}

export interface BreakerParts {
  readonly rules: BreakerRules
  readonly clock: Clock
  /** A float in [0, 1), for jitter. */
  readonly random: () => number
  /** Told when it opens, having been closed, and when it closes again; not of probes in between. */
  readonly changed?: (state: 'open' | 'closed', why: string) => void
}

/** Tenants told apart in one window. */
const tenantsMax = 1_000

type Phase =
  | { readonly kind: 'closed' }
  /** `by`: whose failure opened it. Others may probe first, so that nobody keeps it open for all with calls that must fail. */
  | { readonly kind: 'open'; readonly untilMs: number; readonly failedProbes: number; readonly by: string }
  | { readonly kind: 'half_open'; readonly probe: symbol; readonly failedProbes: number }

interface Running {
  readonly sinceMs: number
  readonly tenant: string
  /** Calls of an earlier phase say nothing of this one. */
  readonly phase: number
}

/**
 * Stops calling what does not answer. Closed: all pass. Open: nobody, until the period is over. Then exactly one at a time,
 * the probe: its success closes the breaker, its failure opens it for twice as long. Counted on the monotonic clock, without
 * a timer: a call that is overdue counts as failed as soon as anybody asks. Failures of one tenant alone, while calls of
 * another succeed, do not open it. Remembers calls under way, as many as its bulkhead lets in.
 */
export function breaker({ rules, clock, random, changed = () => {} }: BreakerParts): Breaker {
  const nowMs = () => Number(clock.monoNs() / 1000n) / 1000
  // A call that hangs is overdue when the last success before it is no longer fresh.
  const recent = callWindow({ windowMs: rules.windowMs, freshMs: rules.slowMs, tenantsMax })
  const running = new Map<symbol, Running>()
  let phase: Phase = { kind: 'closed' }
  let phases = 0
  let inARow = 0

  function enters(next: Phase): void {
    phase = next
    phases += 1
    inARow = 0
    recent.clear()
  }

  function open(failedProbes: number, by: string): void {
    const periodMs = Math.min(rules.openMaxMs, rules.openMs * 2 ** Math.min(failedProbes, 30))
    enters({ kind: 'open', untilMs: nowMs() + periodMs / 2 + (random() * periodMs) / 2, failedProbes, by })
  }

  function judge(id: symbol, { tenant, phase: began }: Running, ending: Ending): void {
    if (phase.kind === 'half_open' && phase.probe === id) return probed(phase.failedProbes, tenant, ending)
    if (phase.kind !== 'closed' || began !== phases || ending === 'unsaid') return
    recent.add(nowMs(), tenant, ending === 'ok')
    if (ending === 'ok') return void (inARow = 0)
    inARow += 1
    const why = reasonToOpen(rules, inARow, recent.counts(nowMs()))
    if (why === undefined || recent.blamesOneTenant(nowMs())) return
    open(0, tenant)
    changed('open', why)
  }

  function probed(failedProbes: number, by: string, ending: Ending): void {
    if (ending === 'failed') return open(failedProbes + 1, by)
    if (ending === 'unsaid') return enters({ kind: 'open', untilMs: nowMs(), failedProbes, by })
    enters({ kind: 'closed' })
    changed('closed', 'a probe succeeded')
  }

  function end(id: symbol, ending: Ending): void {
    const call = running.get(id)
    if (call && running.delete(id)) judge(id, call, ending)
  }

  /** Oldest first, so the first that is in time ends the search. */
  function settleOverdue(): void {
    for (const [id, { sinceMs }] of running) {
      if (nowMs() - sinceMs <= rules.slowMs) return
      end(id, 'failed')
    }
  }

  function waitMs(tenant: string): number {
    settleOverdue()
    if (phase.kind === 'closed') return 0
    if (phase.kind === 'half_open') return Math.max(1, Math.ceil(sinceOf(phase.probe) + rules.slowMs - nowMs()))
    const behindMs = phase.by === tenant ? rules.openMs / 2 : 0
    return Math.max(0, Math.ceil(phase.untilMs + behindMs - nowMs()))
  }

  const sinceOf = (id: symbol): number => running.get(id)?.sinceMs ?? 0

  return {
    waitMs,
    enter(tenant) {
      const retryAfterMs = waitMs(tenant)
      if (retryAfterMs > 0) return { ok: false, retryAfterMs }
      const id = Symbol('call')
      if (phase.kind === 'open') enters({ kind: 'half_open', probe: id, failedProbes: phase.failedProbes })
      running.set(id, { sinceMs: nowMs(), tenant, phase: phases })
      return {
        ok: true,
        ended(ending) {
          settleOverdue()
          end(id, ending)
        },
      }
    },
    state() {
      settleOverdue()
      return phase.kind
    },
  }
}

function reasonToOpen(
  { failures, failureRate, callsMin }: BreakerRules,
  inARow: number,
  recent: { readonly calls: number; readonly failures: number },
): string | undefined {
  if (inARow >= failures) return `${inARow} failures in a row`
  if (recent.calls < callsMin || recent.failures < recent.calls * failureRate) return undefined
  return `${recent.failures} of ${recent.calls} calls failed`
}
