import { createHmac } from 'node:crypto'
import type { Alert } from '../detection/alert.ts'
import type { AlertSink } from '../ports/alert-sink.ts'
import type { Clock } from '../ports/clock.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'

export interface WebhookSinkOptions {
  /** From configuration, never from a call. Redirects are not followed. */
  readonly url: URL
  /** Signs each body: `sluicegate-signature: t=<ms>,v1=<hex HMAC-SHA-256 of "<t>.<body>">`. */
  readonly secret?: Secret
  readonly clock: Clock
  /** For one attempt. */
  readonly timeoutMs?: number
  readonly attemptsMax?: number
  /** Waits between attempts; replaced in tests. */
  readonly sleep?: (ms: number) => Promise<void>
}

const timeoutDefaultMs = 5_000
const attemptsDefault = 4
const waitFirstMs = 250
const waitMaxMs = 8_000

/**
 * Posts each alert as a CloudEvent (CloudEvents 1.0, structured JSON; `id` is the alert's, so a repeat is recognised).
 * Resolves on any 2xx. Tries again, with growing waits, after a network error, a timeout, 408, 429 and 5xx; any other answer,
 * or the last failure, rejects with one sentence.
 */
export function webhookAlertSink(options: WebhookSinkOptions): AlertSink {
  const { attemptsMax = attemptsDefault, sleep = wait } = options
  const closing = new AbortController()

  async function deliver(alert: Alert): Promise<void> {
    const body = JSON.stringify(cloudEvent(alert))
    let failure = 'it was closed'
    for (let attempt = 1; attempt <= attemptsMax && !closing.signal.aborted; attempt++) {
      const result = await post(options, body, closing.signal)
      if (result.kind === 'delivered') return
      failure = result.why
      if (!result.again || attempt === attemptsMax) break
      await sleep(Math.min(waitMaxMs, waitFirstMs * 2 ** (attempt - 1)))
    }
    throw new Error(`The webhook ${options.url.origin} did not take alert ${alert.id}: ${failure}.`)
  }

  return {
    name: 'webhook',
    deliver,
    async close() {
      closing.abort()
    },
  }
}

type Attempt =
  { readonly kind: 'delivered' } | { readonly kind: 'failed'; readonly why: string; readonly again: boolean }

async function post(
  { url, secret, clock, timeoutMs = timeoutDefaultMs }: WebhookSinkOptions,
  body: string,
  closing: AbortSignal,
): Promise<Attempt> {
  try {
    const headers = {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      ...(secret && { 'sluicegate-signature': signature(secret.current(), clock.nowMs(), body) }),
    }
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), closing])
    const reply = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal })
    await reply.body?.cancel()
    if (reply.ok) return { kind: 'delivered' }
    return {
      kind: 'failed',
      why: `it answered ${reply.status}`,
      again: reply.status >= 500 || [408, 429].includes(reply.status),
    }
  } catch (error) {
    return { kind: 'failed', why: classOf(error), again: true }
  }
}

/** The class of a network failure; its text may hold addresses. */
function classOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it could not be reached'
  if (error.name === 'TimeoutError') return 'it did not answer in time'
  if (error instanceof SecretUnavailable) return 'its secret is withdrawn'
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code
  return code === undefined ? 'it could not be reached' : `it could not be reached (${code})`
}

function signature(secret: string, nowMs: number, body: string): string {
  return `t=${nowMs},v1=${createHmac('sha256', secret).update(`${nowMs}.${body}`).digest('hex')}`
}

/** The alert as a CloudEvent. */
function cloudEvent(alert: Alert): object {
  return {
    specversion: '1.0',
    id: alert.id,
    type: 'io.sluicegate.alert.v1',
    source: `urn:sluicegate:detector:${alert.ruleSetDigest.slice(0, 16)}`,
    subject: alert.session || alert.actor || alert.tenant || alert.rule,
    time: new Date(alert.atMs).toISOString(),
    datacontenttype: 'application/json',
    data: alert,
  }
}

const wait = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))
