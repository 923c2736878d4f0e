import { ToolRefusal, UpstreamError } from '../ports/tool.ts'
import type { Refusal } from './outcome.ts'
import type { Verdict } from './pipeline.ts'

/** The ending that a tool's or a service's error stands for; undefined for any other error, which is a bug. */
export function endingOf(error: unknown): Extract<Verdict<never>, { refusal: Refusal }> | undefined {
  if (error instanceof ToolRefusal) return { kind: 'refuse', refusal: refusalOf(error) }
  if (error instanceof UpstreamError)
    return { kind: 'fail', refusal: failureOf(error.code, error.failure, error.retryAfterMs) }
  return undefined
}

function refusalOf(error: ToolRefusal): Refusal {
  const field = error.field === undefined ? {} : { field: error.field }
  return { denied: { code: error.code, message: error.message, ...field }, cause: 'tool' }
}

/** How long to wait for a service when nobody can know, milliseconds. */
const serviceWaitMs = 1_000

/** A service that did not do its part. Its own words never reach the agent. */
export function failureOf(code: UpstreamError['code'], cause: string, retryAfterMs = serviceWaitMs): Refusal {
  const wait = code === 'upstream_unavailable' ? { retryAfterMs } : {}
  return { denied: { code, message: sentences[code], ...wait }, cause }
}

const sentences: Readonly<Record<UpstreamError['code'], string>> = {
  upstream_unavailable: 'The service behind this tool cannot be reached. Nothing was changed; try again later.',
  upstream_failed: 'The service behind this tool failed.',
  outcome_unknown:
    'The service did not answer in time; nobody knows whether the call took effect. Look before you repeat it.',
}
