import { readFileSync } from 'node:fs'
import { connect, type SecureContextOptions } from 'node:tls'
import { Agent, request } from 'undici'
import type { Config } from '../../config/schema.ts'
import type { ServiceTlsSection } from '../../config/tls-section.ts'
import type { Clock } from '../../ports/clock.ts'
import { isJsonObject } from '../../ports/json.ts'
import { openTls } from '../tls-sections.ts'
import { told } from './finding.ts'

/** With what the admin listener is asked. */
export interface Asking {
  readonly mode: Config['mode']
  readonly clock: Clock
  readonly client?: ServiceTlsSection
}

/** What came of asking a gateway whether it is ready. */
export type Heard =
  | { readonly kind: 'answered'; readonly problems: readonly string[]; readonly warnings: readonly string[] }
  /** It holds the certificate of the configuration, and wants to see one. */
  | { readonly kind: 'asks' }
  /** The same, and it does not take the one it was shown. */
  | { readonly kind: 'unwelcome' }
  /** Our own certificate cannot be used. */
  | { readonly kind: 'unusable'; readonly why: string }
  /** Nothing that behaves like this gateway. */
  | { readonly kind: 'stranger' }

type Admin = Config['admin']

const timeoutMs = 6_000

/** Asks the admin listener of a configuration whether its gateway is ready. Never rejects. */
export async function askReady(admin: Admin, asking: Asking): Promise<Heard> {
  if (!admin.tls) return (await ready(admin, undefined)) ?? { kind: 'stranger' }
  const trust = pinned(admin.tls.cert)
  if (!trust) return { kind: 'stranger' }
  const shown = await shownBy(asking).catch((error: unknown) => told(error))
  if (typeof shown === 'string') return { kind: 'unusable', why: shown }
  const answer = await ready(admin, { ...trust, ...shown })
  if (answer) return answer
  if (admin.tls.clientCert !== 'require' || !(await shakesHands(admin, trust))) return { kind: 'stranger' }
  return { kind: shown?.cert === undefined ? 'asks' : 'unwelcome' }
}

/** Trusts the listener's own certificate and no other, whatever address it is asked at. Undefined where it cannot be read. */
function pinned(cert: string): (SecureContextOptions & { checkServerIdentity(): undefined }) | undefined {
  try {
    return { ca: readFileSync(cert), allowPartialTrustChain: true, checkServerIdentity: () => undefined }
  } catch {
    return undefined
  }
}

/** What was given for this listener. Its authorities are trusted instead: the listener may hold a certificate that is newer than the file. */
async function shownBy({ client, mode, clock }: Asking): Promise<SecureContextOptions | undefined> {
  if (!client) return undefined
  const source = await openTls({ name: 'this command', use: 'client', section: client }, { mode, clock })
  source.close()
  return source.current()
}

async function ready(admin: Admin, tls: SecureContextOptions | undefined): Promise<Heard | undefined> {
  const agent = new Agent({ connect: { timeout: timeoutMs, ...tls }, allowH2: false })
  try {
    const { body } = await request(`${tls ? 'https' : 'http'}://${authority(admin.host)}:${admin.port}/readyz`, {
      dispatcher: agent,
      signal: AbortSignal.timeout(timeoutMs),
    })
    return answerIn(JSON.parse(await body.text()))
  } catch {
    return undefined
  } finally {
    await agent.destroy()
  }
}

function answerIn(said: unknown): Heard | undefined {
  if (!isJsonObject(said)) return undefined
  const { ready: isReady, problems, warnings = [] } = said
  if (typeof isReady !== 'boolean' || !Array.isArray(problems) || !Array.isArray(warnings)) return undefined
  return { kind: 'answered', problems: problems.map(String), warnings: warnings.map(String) }
}

/** Whether the certificate of the configuration is shown there. In TLS 1.3 a client knows before its own is asked for. */
function shakesHands({ host, port }: Admin, trust: SecureContextOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: bare(host), port, minVersion: 'TLSv1.3', timeout: timeoutMs, ...trust })
    const end = (reached: boolean) => () => {
      resolve(reached)
      socket.destroy()
    }
    socket
      .once('secureConnect', end(true))
      .on('error', end(false))
      .once('timeout', end(false))
      .once('close', end(false))
  })
}

/** An address to ask where a listener takes any. */
function bare(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
}

function authority(host: string): string {
  const one = bare(host)
  return one.includes(':') ? `[${one}]` : one
}
