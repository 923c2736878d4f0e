import { readFile } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import { Agent, request } from 'undici'

export interface AdminReply {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** One request to the admin listener. Undefined when nothing listens there; rejects, in a sentence, when it cannot be asked. */
export type AskAdmin = (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
) => Promise<AdminReply | undefined>

export interface AdminAddress {
  /** e.g. `https://gate.example:8788`. */
  readonly url: string
  readonly tokenFile: string
  /** What is shown to it and trusted of it, where that is not what the system trusts. */
  readonly tls?: SecureContextOptions
}

const timeoutMs = 10_000

/** A client of the admin listener at an address. Rejects when there is no token to read. */
export async function adminAt({ url, tokenFile, tls }: AdminAddress): Promise<AskAdmin> {
  const token = await tokenIn(tokenFile)
  // One connection for each request: none is left open when the command has said what it has to say.
  const dispatcher = new Agent({ connect: { timeout: timeoutMs, ...tls }, pipelining: 0, allowH2: false })
  return async (method, path, body) => {
    const reply = await request(new URL(path, url), {
      method,
      dispatcher,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((error: unknown) => unreachable(url, tls, error))
    return reply && { status: reply.statusCode, body: objectIn(await reply.body.text(), url) }
  }
}

function objectIn(text: string, url: string): AdminReply['body'] {
  try {
    return JSON.parse(text) as AdminReply['body']
  } catch (cause) {
    throw new Error(`What answers at ${url} is no admin listener of a gateway.`, { cause })
  }
}

/** Undefined when nothing listens; any other fault is told, with what may mend it. */
function unreachable(url: string, tls: SecureContextOptions | undefined, error: unknown): undefined {
  const { code = 'no answer', name } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return undefined
  const why = name === 'TimeoutError' ? 'no answer in time' : code
  throw new Error(`The gateway at ${url} could not be asked (${why}). ${remedy(url, tls, code)}`.trim(), {
    cause: error,
  })
}

const untrusted = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_UNTRUSTED|CERT_SIGNATURE/
const cutOff = /UND_ERR_SOCKET|ECONNRESET|EPIPE|HPE_|UND_ERR_ABORTED/

function remedy(url: string, tls: SecureContextOptions | undefined, code: string): string {
  if (untrusted.test(code)) return 'Pass the authority of its certificate with --ca.'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'Its certificate is for another name: use that one in --admin.'
  if (url.startsWith('http:'))
    return cutOff.test(code) ? 'If it speaks TLS, pass its address with --admin https://….' : ''
  if (!code.startsWith('ERR_SSL') && !cutOff.test(code)) return ''
  return tls?.cert === undefined
    ? 'If it asks for a client certificate, pass one with --cert and --key.'
    : 'It may not take the certificate of --cert: pass one that an authority in its admin.tls.ca issued.'
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new Error(
      `${file} cannot be read; pass the admin token with --token-file, or the data directory with --data.`,
      { cause },
    )
  }
}
