import { Client, type Dispatcher } from 'undici'
import { ToolRefusal, UpstreamError, type EgressReply } from '../ports/tool.ts'
import { judgeUrl, type Blocked, type EgressLists } from '../tools/egress.ts'
import { judgingConnector, type Dial, type Resolve } from './egress-connector.ts'
import { readText } from './egress-text.ts'

export interface HopParts {
  readonly lists: EgressLists
  readonly blocked: Blocked
  /** All addresses of a name. Asked once per connection. The system's resolver by default. */
  readonly resolve?: Resolve
  /** Opens the socket, to an address and never to a name. */
  readonly dial?: Dial
  /** Longest text given back, bytes; 64 KiB by default. */
  readonly receivedMax?: number
  /** Hears why a destination was refused, for operators. The agent is only told that it was. */
  readonly denied?: (domain: string, reason: string) => void
  /** Told the address once the connection stood, also when nothing good came of it. */
  readonly left?: (ip: string) => void
}

export interface Hop {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly body?: string
}

/** What came of one hop. `ip` is the address that was connected to. */
export type Answer = { readonly ip: string } & (
  | { readonly kind: 'page'; readonly page: Pick<EgressReply, 'status' | 'contentType' | 'text' | 'truncated'> }
  | { readonly kind: 'redirect'; readonly status: number; readonly location: string }
)

/** Makes one request over a connection of its own. Throws `ToolRefusal` when the destination is not allowed. */
export async function visit(parts: HopParts, hop: Hop, signal: AbortSignal): Promise<Answer> {
  const judged = judgeUrl(hop.url, parts.lists, parts.blocked)
  if (judged.kind === 'denied') deny(parts, judged.domain, judged.reason)
  const connector = judgingConnector({ ...parts, domain: judged.domain, signal })
  const client = new Client(hop.url.origin, { connect: connector.connect, maxHeaderSize: 16_384 })
  try {
    const answer = await answerOf(parts, judged.domain, await client.request(requestOf(hop, signal)))
    return { ...answer, ip: connector.ip() }
  } catch (error) {
    const refusal = connector.refusal()
    throw refusal === undefined ? failure(hop, error, connector.connected()) : deny(parts, judged.domain, refusal)
  } finally {
    if (connector.connected()) parts.left?.(connector.ip())
    await client.destroy()
  }
}

/** Refuses, telling the operator why and the agent only that. */
export function deny(parts: HopParts, domain: string, reason: string): never {
  parts.denied?.(domain, reason)
  throw new ToolRefusal('egress_denied', 'This destination may not be called.', 'url')
}

/** Nothing of the caller's goes along: no credential, no trace context, no name of who asks. */
function requestOf({ url, method, body }: Hop, signal: AbortSignal): Dispatcher.RequestOptions {
  const headers = { 'user-agent': 'sluicegate', accept: '*/*', 'accept-encoding': 'identity' }
  const path = `${url.pathname}${url.search}`
  if (body === undefined) return { path, method, headers, signal }
  return { path, method, headers: { ...headers, 'content-type': typeOf(body) }, signal, body }
}

function typeOf(body: string): string {
  return /^\s*[[{]/.test(body) ? 'application/json' : 'text/plain; charset=utf-8'
}

type Unplaced<T> = T extends unknown ? Omit<T, 'ip'> : never

async function answerOf(
  parts: HopParts,
  domain: string,
  { statusCode: status, headers, body }: Dispatcher.ResponseData,
): Promise<Unplaced<Answer>> {
  const closed = () => parts.blocked(domain)
  const location = status >= 300 && status < 400 ? headers['location'] : undefined
  if (location !== undefined) {
    body.on('error', () => {}).destroy()
    return { kind: 'redirect', status, location: String(location) }
  }
  const text = await readText(headers, body, parts.receivedMax ?? 64 * 1024, closed)
  if (closed()) deny(parts, domain, 'blocked by a switch')
  return { kind: 'page', page: { status, ...text } }
}

function failure({ body }: Hop, error: unknown, connected: boolean): Error {
  if (error instanceof ToolRefusal || error instanceof UpstreamError) return error
  if (!connected) return new UpstreamError('upstream_unavailable', causeOf(error), 'The destination cannot be reached.')
  const code = body === undefined ? 'upstream_failed' : 'outcome_unknown'
  return new UpstreamError(code, causeOf(error), 'The destination did not answer properly.')
}

/** A class of failure for operators; never the other end's words. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  if (error.name === 'TimeoutError') return 'timeout'
  if (error.name === 'AbortError') return 'aborted'
  return 'code' in error ? String(error.code) : error.name
}
