import type { Sight, Watch } from '../limits/rollout.ts'
import { spikeWords, type Judged } from '../limits/spike.ts'
import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'
import type { OpenPart } from '../ports/observer.ts'
import { ToolRefusal, UpstreamError, type ServiceCall } from '../ports/tool.ts'
import type { Meters } from '../telemetry/metrics.ts'
import { putFlag } from '../tools/flag-service.ts'
import type { Digests } from './digests.ts'
import type { Board, Held } from './rollout-board.ts'
import { blindWords, type Story } from './rollout-story.ts'

export interface BackParts {
  readonly board: Board
  readonly words: Story
  readonly log: Pick<EvidenceLog, 'append'>
  readonly digests: Pick<Digests, 'plain'>
  readonly meters: Pick<Meters, 'rollout'>
  /** The flag service, for one operation under one span. */
  readonly service: (watch: Watch, operationId: string, span: OpenPart) => ServiceCall
  readonly span: (tenant: string, call: Watch['call'], operationId: string) => OpenPart
  readonly fault: (error: unknown) => void
}

/** Why a flag is to be set back, where that was found just now. */
export interface Found {
  readonly judged?: Judged | undefined
  readonly receipt?: Receipt | undefined
}

/**
 * One attempt to set a flag back, and what is told of it. Where the flag stands back already, whoever did that, there is
 * nothing to do. The first failure is told to on-call; whoever looks again tries again.
 */
export async function setBack(parts: BackParts, one: Held, sight: Sight | undefined, found: Found = {}): Promise<void> {
  const { board } = parts
  const { watch } = one
  const done = sight !== undefined && sight.rolloutPct <= watch.fromPct
  const failure = done ? undefined : await attempt(parts, watch)
  const why = whyOf(watch, found)
  if (failure === undefined) {
    const receipt = await board.end(watch, 'rolled back', found.judged)
    return board.alert(watch, { kind: 'rolled back', why }, found.receipt, receipt)
  }
  await board.keep(one, { ...watch, attempts: watch.attempts + 1 }, true)
  if (watch.attempts > 0) return
  parts.meters.rollout('rollback failed')
  const failing = `${why} The service did not set it back (${failure}); the gateway goes on trying.`
  board.alert(watch, { kind: 'failing', why: failing }, found.receipt)
}

/** Why it failed; undefined when the service confirmed. The intent is durable before anything is sent. */
async function attempt(parts: BackParts, watch: Watch): Promise<string | undefined> {
  const operation = parts.digests.plain(watch.tenant, ['rollout-guard', watch.id])
  // Begun before the intent, so that the records can name it.
  const span = parts.span(watch.tenant, watch.call, operation)
  const told = parts.words.attempt(watch, operation, spanIdOf(span))
  try {
    const intent = await parts.log.append(told.intent)
    const set = putFlag(parts.service(watch, operation, span), watch, watch.fromPct)
    const failure = await set.then(() => undefined, failureOf)
    await parts.log.append(told.outcome(intent, failure))
    return failure
  } catch (error) {
    parts.fault(error)
    return 'evidence'
  } finally {
    // One that was sent has ended already.
    span.end({ failure: 'evidence' })
  }
}

/** W3C Trace Context §3.2: the parent-id of a traceparent. */
const spanIdOf = ({ traceparent }: OpenPart): string => traceparent.slice(36, 52)

function whyOf({ before, rollingBack }: Watch, { judged }: Found): string {
  if (judged) return spikeWords(judged, before)
  return rollingBack === 'blind' ? blindWords : 'Its errors spiked after the raise.'
}

function failureOf(error: unknown): string {
  if (error instanceof UpstreamError) return error.failure
  return error instanceof ToolRefusal ? error.code : 'failed'
}
