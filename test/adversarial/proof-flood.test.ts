import { afterEach, describe, expect, it } from 'vitest'
import { memoryState } from '../../src/adapters/state-memory.ts'
import type { CallRequest } from '../../src/call/receive.ts'
import type { Identity } from '../../src/call/authenticate.ts'
import { directory } from '../../src/identity/directory.ts'
import { identifier } from '../../src/identity/identify.ts'
import { proofPace } from '../../src/identity/proof-pace.ts'
import { replay } from '../../src/identity/replay.ts'
import { steadyTime } from '../../src/identity/steady.ts'
import { listenHttp, type HttpListener } from '../../src/server/http.ts'
import { refusedCall, someone } from '../support/calls.ts'
import { testClock } from '../support/clock.ts'
import { boundTo, proofBy } from '../support/dpop.ts'
import { mint, tokenBench } from '../support/tokens.ts'
import { send } from '../support/wire.ts'

/* Proofs are remembered and never evicted, so somebody with a good token and a key could show new ones until there is no room. */

const url = 'https://gate.example/mcp'
const burst = 1_000

function bench(entriesMax: number) {
  const { tokens, clock, token } = tokenBench()
  const time = steadyTime(clock)
  const state = memoryState({ entriesMax })
  const { prove } = identifier({
    verifier: tokens,
    replay: replay({ state, time, mode: 'bound' }),
    dpop: { state, time, pace: proofPace(clock) },
    directory: directory([]),
    sessionKey: Buffer.alloc(32, 1),
    homeRegion: () => 'US',
  })
  const client = (sub: string, tenant = 'acme') => {
    const key = mint('EdDSA', 'client')
    const own = token({ sub, tenant, jti: sub, ...boundTo(key) })
    return async (by = key) => {
      const proof = proofBy(
        by,
        own,
        url,
        clock.nowMs(),
        by === key ? {} : { header: { jwk: key.publicKey.export({ format: 'jwk' }) } },
      )
      const dpop = { proof, method: 'POST', url }
      return prove({ credential: { kind: 'bearer', token: own, dpop }, transport: 'http' })
    }
  }
  return { clock, client }
}

const ended = (identity: Identity) => (identity.ok ? 'ok' : identity.code)

async function shown(show: () => Promise<Identity>, times: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let n = 0; n < times; n += 1) {
    const how = ended(await show())
    counts[how] = (counts[how] ?? 0) + 1
  }
  return counts
}

describe('a principal that shows proofs without end', () => {
  it('is told to wait, and fills no room that others need', async () => {
    const { clock, client } = bench(burst + 500)
    const [greedy, honest, elsewhere] = [
      client('agent:greedy'),
      client('agent:honest'),
      client('agent:other', 'globex'),
    ]
    expect(await shown(greedy, burst + 1_000)).toEqual({ ok: burst, rate_limited: 1_000 })
    expect(await shown(honest, 50)).toEqual({ ok: 50 })
    expect(await shown(elsewhere, 50)).toEqual({ ok: 50 })
    const refused = await greedy()
    expect(refused).toMatchObject({ ok: false, who: { subject: 'agent:greedy' } })
    clock.advance((!refused.ok && refused.retryAfterMs) || 0)
    expect(await shown(greedy, 2)).toEqual({ ok: 1, rate_limited: 1 })
  })

  it('has nothing used up by who holds its token and not its key', async () => {
    const { client } = bench(burst + 500)
    const owner = client('agent:owner')
    const thief = mint('EdDSA', 'thief')
    expect(await shown(() => owner(thief), burst + 10)).toEqual({ unauthenticated: burst + 10 })
    expect(await shown(owner, burst)).toEqual({ ok: burst })
  })
})

const listeners: HttpListener[] = []
afterEach(async () => void (await Promise.all(listeners.splice(0).map((listener) => listener.close()))))

describe('a proof too many, over HTTP', () => {
  it('is 429 with the time to wait, on record up to a bound, and hides no theft', async () => {
    const calls: CallRequest[] = []
    const early = { ok: false, code: 'rate_limited', why: 'dpop: x', who: someone, retryAfterMs: 2_500 } as const
    const stolen = { ok: false, code: 'token_replayed', why: 'jti: x', who: someone } as const
    const prove = async ({ credential }: Pick<CallRequest, 'credential'>): Promise<Identity> =>
      credential.kind === 'bearer' && credential.token === 'stolen' ? stolen : early
    const call = (request: CallRequest) => (calls.push(request), refusedCall(request))
    const service = { prove, identify: prove, stopped: () => undefined, tools: () => [], call }
    const where = { host: '127.0.0.1', port: 0, authorizationServers: [], scopes: [] }
    const listener = await listenHttp({ ...where, service, clock: testClock(), fault: () => undefined })
    listeners.push(listener)
    const ask = (token: string) => send(listener.url, { headers: { authorization: `Bearer ${token}` }, body: '{}' })
    for (let n = 0; n < 70; n += 1) {
      const { status, headers, message } = await ask('mine')
      expect([status, headers['retry-after'], headers['www-authenticate']]).toEqual([429, '3', undefined])
      expect(message.error?.message).toMatch(/^DENY rate_limited: /)
    }
    expect(calls).toHaveLength(60)
    expect((await ask('stolen')).status).toBe(401)
    expect(calls).toHaveLength(61)
  })
})
