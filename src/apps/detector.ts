import type { Engage } from '../control/command.ts'
import { detectorTtlMaxMs } from '../control/signed.ts'
import type { Alert, Finding, Response } from '../detection/alert.ts'
import { eventsOf } from '../detection/event.ts'
import { detector, type Detector } from '../detection/fold.ts'
import { commandFor } from '../detection/order.ts'
import type { EvidenceRecord } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog, StoredRecord } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Meters } from '../telemetry/metrics.ts'
import { alerting, type Tell } from './alerting.ts'
import { countRecord } from './count.ts'
import type { GrantDesk } from './grant-desk.ts'
import type { GatewayOptions } from './options.ts'
import type { Switchboard } from './switchboard.ts'

/** What one finding led to, and how long it took from the moment the offending record was durable. */
export interface Reaction {
  readonly alert: Alert
  /** Switches that were engaged for it. */
  readonly engaged: readonly (Pick<Engage, 'kind' | 'target'> & { readonly id: string })[]
  readonly detectMs: number
  /** Offending record durable to switch in the gateway's table. */
  readonly enforceMs?: number
}

export interface EmbeddedDetectorParts {
  readonly options: Pick<GatewayOptions, 'detector' | 'sinks'>
  readonly log: EvidenceLog
  readonly switchboard: Switchboard
  readonly clock: Clock
  readonly meters: Meters
  /** Asks a person for what a rule may not do by itself. */
  readonly propose: GrantDesk['propose']
  readonly fault: (error: unknown) => void
}

export interface EmbeddedDetector {
  /** Why detection cannot be trusted to be whole, or undefined while every record was judged. */
  problem(): string | undefined
  /** Found since the start, newest last, at most `reactionsMax`. */
  reactions(): readonly Reaction[]
  /** Resolves when every alert found so far has been handed to its sinks. */
  settled(): Promise<void>
  /**
   * Makes ready to follow by other rules. Throws when the rules cannot take over what has been learned; until the result is called,
   * which judges the next record by them, nothing changes.
   */
  prepare(next: GatewayOptions['detector']): () => void
  /** Tells of something that no rule was asked about. */
  readonly tell: Tell
  snapshot(): JsonObject
  /** Stops, lets alerts on their way arrive for `closeTimeoutMs` at most, and closes the sinks. */
  close(): Promise<void>
}

const reactionsMax = 1_000
/** An alert is evidence before it is told, so a stop need not wait long for those who are told. */
const closeTimeoutMs = 750

/**
 * The detector inside the gateway. It judges each record the moment it is durable, before the call it belongs to is
 * answered: an order it gives is in force before the session can make its next call.
 */
export function embeddedDetector(parts: EmbeddedDetectorParts): EmbeddedDetector {
  const { clock } = parts
  const { baseline } = parts.options.detector
  const tell = alerting({ ...parts, sinks: () => parts.options.sinks })
  let inForce = parts.options.detector
  let fold = detector(inForce)
  if (baseline) fold.restore(baseline)
  const reactions: Reaction[] = []
  const pending = new Set<Promise<void>>()
  let failures = 0

  /** Whatever fails in here is a fault to report and to be seen, never a reason to stop following. */
  function guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      failures++
      parts.fault(error)
    }
  }

  function counted(telling: Promise<void>): Promise<void> {
    const told = telling.catch(parts.fault).finally(() => pending.delete(told))
    pending.add(told)
    return told
  }

  /** A fold by other rules that knows what this one has learned, and which records it has judged. */
  function heir(next: GatewayOptions['detector']): Detector {
    const made = detector(next)
    made.restore(fold.snapshot())
    return made
  }

  function answer(finding: Finding, sinceNs: bigint): void {
    const { alert, responses, skipped } = finding
    void counted(tell(alert, { responses, skipped } as unknown as JsonObject))
    reactions.push(react(parts, finding, sinceNs))
    if (reactions.length > reactionsMax) reactions.shift()
  }

  const stop = parts.log.follow((record) =>
    guarded(() => {
      for (const finding of judge(parts, fold, record)) guarded(() => answer(finding, record.durableNs))
    }),
  )
  /** Absences fire when time has passed them, even while nothing else happens. */
  const advance = () => {
    for (const finding of fold.watermark(clock.nowMs())) guarded(() => answer(finding, clock.monoNs()))
  }
  const timer = setInterval(() => guarded(advance), 1_000)
  timer.unref()

  async function settled(): Promise<void> {
    while (pending.size > 0) await Promise.all(pending)
  }

  return {
    problem: () =>
      failures === 0 ? undefined : `The detector failed ${failures} times; see the faults reported, then restart.`,
    reactions: () => reactions,
    settled,
    tell: (alert, more) => counted(tell(alert, more)),
    prepare(next) {
      if (isSame(next, inForce)) return () => undefined
      heir(next)
      return () => {
        fold = heir(next)
        inForce = next
      }
    },
    snapshot: () => fold.snapshot(),
    async close() {
      clearInterval(timer)
      stop()
      await within(closeTimeoutMs, settled())
      await within(closeTimeoutMs, Promise.allSettled(parts.options.sinks.map((sink) => sink.close())))
    },
  }
}

/** The same rules, lists and stages: nothing to take over. */
function isSame(one: GatewayOptions['detector'], other: GatewayOptions['detector']): boolean {
  const told = ({ rules, lists, stages }: GatewayOptions['detector']) => JSON.stringify([rules.digest, lists, stages])
  return told(one) === told(other)
}

/** Resolves when the work is done, or after `timeoutMs`. */
async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)))
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

function judge({ meters }: EmbeddedDetectorParts, fold: Detector, { text, leaf }: StoredRecord): readonly Finding[] {
  const record = JSON.parse(text) as EvidenceRecord
  countRecord(meters, record)
  return eventsOf(record, leaf).flatMap((event) => fold.step(event))
}

function react(parts: EmbeddedDetectorParts, { alert, responses }: Finding, durableNs: bigint): Reaction {
  const sinceMs = () => Number(parts.clock.monoNs() - durableNs) / 1e6
  const detectMs = sinceMs()
  parts.meters.alert(alert.rule, alert.severity)
  parts.meters.detected(alert.rule, detectMs)
  const engaged = responses.filter(({ mode }) => mode === 'enforce').map((response) => order(parts, response, alert))
  for (const response of responses.filter(({ mode }) => mode === 'ask')) propose(parts, response, alert)
  if (engaged.length === 0) return { alert, engaged, detectMs }
  const enforceMs = sinceMs()
  for (const { kind } of engaged) parts.meters.enforced(kind, enforceMs)
  return { alert, engaged, detectMs, enforceMs }
}

/** How long a person has, where the rule does not say. */
const approveWithinMs = 3_600_000

/** The order a person is asked for. Too many that wait are refused at the desk: the alert has told them all the same. */
function propose({ propose: ask, fault }: EmbeddedDetectorParts, response: Response, alert: Alert): void {
  const { id, issuedBy, action: _action, atMs: _atMs, ...order } = commandFor(response, alert)
  if (issuedBy.kind !== 'detector') return
  const ttlMs = Math.min(order.ttlMs, detectorTtlMaxMs)
  const wanted = {
    order: { ...order, ttlMs, reason: order.reason.slice(0, 512) },
    by: issuedBy,
    alert: alert.id,
    unanswered: response.onTimeout ?? 'skip',
  }
  ask(`gr-${id}`, wanted, response.approveWithinMs ?? approveWithinMs).catch(fault)
}

/** In force when this returns; what is still to be written is written in the background. */
function order(
  { switchboard, fault }: EmbeddedDetectorParts,
  response: Response,
  alert: Alert,
): Reaction['engaged'][number] {
  const { id, kind, target, issuedBy, action: _action, atMs: _atMs, ...request } = commandFor(response, alert)
  const ttlMs = Math.min(request.ttlMs, detectorTtlMaxMs)
  switchboard.engage({ ...request, kind, target, ttlMs }, issuedBy, id).catch(fault)
  return { id, kind, target }
}
