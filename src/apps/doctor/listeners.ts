import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { Agent, request } from 'undici'
import type { Config } from '../../config/schema.ts'
import { isJsonObject } from '../../ports/json.ts'
import { bad, fine, warn, type Finding } from './finding.ts'

const timeoutMs = 3_000

/** The ports that `serve` would take: free, or taken by a gateway that is ready. */
export async function listenersFinding({ listen, admin }: Config): Promise<Finding> {
  const taken = await Promise.all([whyTaken(listen), whyTaken(admin)])
  const names = ['listen', 'admin'].filter((_, index) => taken[index] !== undefined)
  if (names.length === 0) return fine(`${listen.host}:${listen.port} and ${admin.host}:${admin.port} are free`)
  const codes = new Set(taken.filter((code) => code !== undefined))
  if ([...codes].some((code) => code !== 'EADDRINUSE'))
    return bad(
      `${names.join(' and ')} cannot be opened (${[...codes].join(', ')}).`,
      'Choose another host or port there.',
    )
  return runningFinding(admin, names)
}

/** Undefined when the port can be had. Port 0 always can. */
function whyTaken({ host, port }: { readonly host: string; readonly port: number }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

async function runningFinding(admin: Config['admin'], taken: readonly string[]): Promise<Finding> {
  const answer = await ready(admin).catch(() => undefined)
  const other = 'Stop what listens there, or choose another port.'
  if (!answer) return bad(`${taken.join(' and ')}: the port is in use, and no gateway answers there.`, other)
  const { problems } = answer
  if (problems.length > 0)
    return bad(`A gateway runs there and is not ready: ${problems.join(' ')}`, 'See to what it says.')
  if (taken.length < 2)
    return warn(`A gateway runs there, and only ${taken.join()} is taken.`, 'Is it the one of this configuration?')
  return fine('a gateway runs there, and is ready')
}

async function ready({
  host,
  port,
  tls,
}: Config['admin']): Promise<{ readonly problems: readonly string[] } | undefined> {
  const trust = tls && {
    ca: readFileSync(tls.cert),
    allowPartialTrustChain: true,
    checkServerIdentity: () => undefined,
  }
  const agent = new Agent({ connect: { timeout: timeoutMs, ...trust } })
  try {
    const { body } = await request(`${tls ? 'https' : 'http'}://${authority(host)}:${port}/readyz`, {
      dispatcher: agent,
      signal: AbortSignal.timeout(timeoutMs),
    })
    const said: unknown = JSON.parse(await body.text())
    if (!isJsonObject(said) || typeof said['ready'] !== 'boolean' || !Array.isArray(said['problems'])) return undefined
    return { problems: said['problems'].map(String) }
  } finally {
    await agent.close()
  }
}

/** An address to ask where a listener takes any. */
function authority(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
}
