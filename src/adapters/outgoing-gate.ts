import { breaker, type Breaker, type BreakerState, type Ending } from '../limits/breaker.ts'
import { bulkhead, type Bulkhead, type Leave } from '../limits/bulkhead.ts'
import type { Guard } from '../limits/guard.ts'
import { retryBudget, type RetryBudget } from '../limits/retry-budget.ts'
import type { Clock } from '../ports/clock.ts'
import { UpstreamError } from '../ports/tool.ts'

/** Resolves after so many milliseconds; rejects when aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>

/** One call on its way out. `target` names whatever can fail by itself, e.g. `orders/us-east`; all targets come from configuration. */
export interface Passage {
  readonly target: string
  /** Where it is. What moved elsewhere is not judged by what failed where it was. */
  readonly address?: string
  readonly guard: Guard
  readonly tenant: string
  readonly signal: AbortSignal
  /** A first attempt pays for a tenth of a retry. */
  readonly first: boolean
}

/** What operators see of a gate. */
export interface GateSight {
  /** A breaker opened, having been closed, or closed again. */
  readonly breaker: (target: string, state: 'open' | 'closed', why: string) => void
  readonly refused: (target: string, why: Held) => void
  /** A call had to wait for a place, however that ended. */
  readonly waited: (target: string, ms: number) => void
  readonly retried: (target: string, allowed: boolean) => void
}

/** Why nothing was sent. */
export type Held = 'breaker_open' | 'queue_full' | 'queue_wait' | 'aborted' | 'timeout'

export interface OutgoingGate {
  /**
   * Runs `send` once there is a place and the breaker lets it. Otherwise rejects with `upstream_unavailable`, having
   * run nothing, and says when to come back. `judge` says what the answer tells of the other side.
   */
  pass<T>(passage: Passage, send: () => Promise<T>, judge: (sent: T) => Ending): Promise<T>
  /** Pays for one retry; false when retries are too large a part of the load already. */
  mayRetry(target: string): boolean
  /** What stands right now, by target. */
  breakers(): Readonly<Record<string, BreakerState>>
  waiting(): Readonly<Record<string, number>>
}

export interface OutgoingGateParts {
  readonly clock: Clock
  /** A float in [0, 1), for jitter. */
  readonly random: () => number
  readonly sleep: Sleep
  readonly sight?: Partial<GateSight>
}

/** Most targets that are remembered: of reloads that name others each time, the oldest are forgotten. */
const doorsMax = 2_000

interface Door {
  readonly rules: string
  readonly breaker: Breaker
  readonly bulkhead: Bulkhead
  readonly retries: RetryBudget
}

/**
 * Breaker, places, queue and retry budget of everything that is called on the gateway's own account: services, and other
 * servers. One target's trouble is no other's. Nothing waits while a breaker is open.
 */
export function outgoingGate(parts: OutgoingGateParts): OutgoingGate {
  const { clock, random, sight = {} } = parts
  const doors = new Map<string, Door>()

  /** Other rules, and another address, begin anew; who is inside leaves by the door it came through. */
  function doorOf({ target, address, guard }: Pick<Passage, 'target' | 'address' | 'guard'>): Door {
    const rules = JSON.stringify([address, guard])
    const found = doors.get(target)
    if (found?.rules === rules) return found
    const changed = (state: 'open' | 'closed', why: string) => sight.breaker?.(target, state, why)
    const door = {
      rules,
      breaker: breaker({ rules: guard.breaker, clock, random, changed }),
      bulkhead: bulkhead({ concurrency: guard.concurrency, waitingMax: guard.queue.max }, clock),
      retries: retryBudget(),
    }
    doors.delete(target)
    doors.set(target, door)
    if (doors.size > doorsMax) doors.delete(doors.keys().next().value as string)
    return door
  }

  function held(target: string, why: Held, retryAfterMs: number): UpstreamError {
    sight.refused?.(target, why)
    return new UpstreamError('upstream_unavailable', why, 'Nothing was sent to the service.', retryAfterMs)
  }

  async function place(passage: Passage, { bulkhead: places }: Door): Promise<Leave> {
    const { target, tenant, guard, signal } = passage
    const over = new AbortController()
    const sinceNs = clock.monoNs()
    let waited = false
    try {
      return await new Promise<Leave>((resolve, reject) => {
        const asked = places.ask(tenant, resolve)
        if (asked.kind === 'full') reject(held(target, 'queue_full', places.paceMs()))
        if (asked.kind !== 'waiting') return
        waited = true
        const giveUp = (why: Held) => {
          if (asked.giveUp()) reject(held(target, why, places.paceMs()))
        }
        const until = AbortSignal.any([signal, over.signal])
        parts.sleep(guard.queue.waitMs, until).then(
          () => giveUp('queue_wait'),
          () => giveUp(endOf(signal)),
        )
      })
    } finally {
      over.abort()
      if (waited) sight.waited?.(target, Number(clock.monoNs() - sinceNs) / 1e6)
    }
  }

  return {
    async pass(passage, send, judge) {
      const { target, tenant } = passage
      const door = doorOf(passage)
      const closedForMs = door.breaker.waitMs(tenant)
      if (closedForMs > 0) throw held(target, 'breaker_open', closedForMs)
      const leave = await place(passage, door)
      try {
        // It may have opened while this call waited for its place.
        const entrance = door.breaker.enter(tenant)
        if (!entrance.ok) throw held(target, 'breaker_open', entrance.retryAfterMs)
        if (passage.first) door.retries.earn()
        return await judged(send, judge, entrance.ended)
      } finally {
        leave()
      }
    },
    mayRetry(target) {
      const allowed = doors.get(target)?.retries.spend() ?? false
      sight.retried?.(target, allowed)
      return allowed
    },
    breakers: () => byTarget(doors, (door) => door.breaker.state()),
    waiting: () => byTarget(doors, (door) => door.bulkhead.waiting()),
  }
}

/** What throws says nothing good of the other side. */
async function judged<T>(
  send: () => Promise<T>,
  judge: (sent: T) => Ending,
  ended: (ending: Ending) => void,
): Promise<T> {
  let ending: Ending = 'failed'
  try {
    const sent = await send()
    ending = judge(sent)
    return sent
  } finally {
    ended(ending)
  }
}

/** Why a signal was aborted. */
export function endOf({ reason }: AbortSignal): 'timeout' | 'aborted' {
  return reason instanceof Error && reason.name === 'TimeoutError' ? 'timeout' : 'aborted'
}

function byTarget<T>(doors: ReadonlyMap<string, Door>, of: (door: Door) => T): Readonly<Record<string, T>> {
  return Object.fromEntries([...doors].map(([target, door]) => [target, of(door)]))
}
