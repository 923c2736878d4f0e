import { Agent, request as send } from 'undici'
import { isJsonObject, type JsonObject } from '../ports/json.ts'
import { parseStrict } from '../server/strict-json.ts'
import { boundedBody } from './bounded-body.ts'
import { serviceAgents } from './service-agents.ts'
import type { TlsSource } from './tls-files.ts'

export interface VaultHttpOptions {
  /** Scheme, host and port. Only this origin is ever asked; redirects are not followed. */
  readonly url: string
  readonly namespace?: string
  /** Authorities to trust instead of the system's; whoever opened them closes them. */
  readonly tls?: TlsSource
  /** Longest wait for one answer, milliseconds. */
  readonly timeoutMs?: number
}

export interface VaultRequest {
  readonly method: 'GET' | 'POST'
  /** Below `/v1/`, already fit for a URL. */
  readonly path: string
  readonly token?: string
  readonly body?: JsonObject
}

export interface VaultHttp {
  /** The answer's JSON object, empty when there is none. Rejects with a `VaultError`. */
  (request: VaultRequest): Promise<JsonObject>
  /** The origin, for messages. */
  readonly origin: string
  close(): Promise<void>
}

/**
 * What Vault did not give. `no`: it answered, and the answer is no. `gone`: there is nothing at that path. `odd`: what came
 * back says neither, for it is an error, too much, or makes no sense; that is this question's fault alone. `silent`: Vault
 * could not be reached, did not answer in time, or is sealed; other questions would fare no better.
 */
export class VaultError extends Error {
  readonly kind: 'no' | 'gone' | 'odd' | 'silent'
  constructor(kind: VaultError['kind'], why: string) {
    super(why)
    this.name = 'VaultError'
    this.kind = kind
  }
}

const timeoutDefaultMs = 5_000

/** Largest answer, bytes. */
const answerMax = 1024 * 1024

/** Speaks Vault's HTTP API (OpenBao's is the same). An answer's own words never reach a message: they may repeat what was sent. */
export function vaultHttp({ url, namespace, tls, timeoutMs = timeoutDefaultMs }: VaultHttpOptions): VaultHttp {
  const { origin } = new URL(url)
  // Vault allows TLS 1.2 unless it is told otherwise.
  const without = tls ? {} : ({ minVersion: 'TLSv1.2' } as const)
  const agents = serviceAgents(
    (context) => new Agent({ connections: 2, connect: { timeout: timeoutMs, ...context, ...without } }),
  )

  async function ask({ method, path, token, body }: VaultRequest, dispatcher: Agent): Promise<JsonObject> {
    const response = await send(`${origin}/v1/${path}`, {
      dispatcher,
      method,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        accept: 'application/json',
        'accept-encoding': 'identity',
        // Vault refuses requests without it where it is set to (server-side request forgery).
        'x-vault-request': 'true',
        ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
        ...(token !== undefined && { 'x-vault-token': token }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const bytes = await boundedBody(response.body, answerMax)
    if (bytes === undefined) throw new VaultError('odd', `its answer is larger than ${answerMax} bytes`)
    return judged(response.statusCode, bytes)
  }

  const http = (request: VaultRequest) =>
    agents
      .use(tls, (agent) => ask(request, agent))
      .catch((error: unknown) => {
        throw error instanceof VaultError ? error : broken(error)
      })
  return Object.assign(http, { origin, close: () => agents.close() })
}

function judged(status: number, bytes: Uint8Array): JsonObject {
  if (status === 204) return {}
  if (status === 404) throw new VaultError('gone', 'there is nothing at that path')
  if (status === 400 || status === 403) throw new VaultError('no', `it refuses us (${status})`)
  if (status === 503) throw new VaultError('silent', 'it is sealed or in maintenance (503)')
  if (status !== 200) throw new VaultError('odd', `it answered ${status}`)
  const parsed = parseStrict(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new VaultError('odd', 'its answer is no JSON object')
  return parsed.value
}

/** Failures on a connection that stood: something on the way does not like this question, or this answer. */
const onTheWay = /^(ECONNRESET|EPIPE|HPE_|UND_ERR_(SOCKET|HEADERS_OVERFLOW|RES))/

/** The class of a network failure; its text may hold addresses. */
function broken(error: unknown): VaultError {
  const { name, code = 'network error' } = error as NodeJS.ErrnoException
  if (name === 'TimeoutError' || code === 'UND_ERR_CONNECT_TIMEOUT')
    return new VaultError('silent', 'it did not answer in time')
  if (onTheWay.test(code)) return new VaultError('odd', `its answer broke off (${code})`)
  return new VaultError('silent', `it cannot be reached (${code})`)
}
