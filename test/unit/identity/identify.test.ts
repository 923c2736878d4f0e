import { describe, expect, it } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import { directory } from '../../../src/identity/directory.ts'
import { identifier, localIssuer } from '../../../src/identity/identify.ts'
import { proofPace } from '../../../src/identity/proof-pace.ts'
import { replay, type ReplayMode } from '../../../src/identity/replay.ts'
import { steadyTime } from '../../../src/identity/steady.ts'
import type { StateStore } from '../../../src/ports/state-store.ts'
import { Proof } from '../../../src/identity/proof.ts'
import { tokenBench } from '../../support/tokens.ts'

interface More {
  readonly local?: boolean
  readonly elevations?: readonly string[]
  readonly mode?: ReplayMode
  readonly state?: Pick<StateStore, 'remember'>
}

function bench(more: More = {}) {
  const tokens = tokenBench()
  const { mode = 'bound', state = memoryState() } = more
  const time = steadyTime(tokens.clock)
  const { identify, prove } = identifier({
    verifier: tokens.tokens,
    replay: replay({ state, time, mode }),
    dpop: { state, time, pace: proofPace(tokens.clock) },
    directory: directory([
      { principal: 'agent:copilot', allow: ['orders.read'], deny: ['crm.write'] },
      { principal: 'agent:brief', ttlSeconds: 60 },
      { principal: 'agent:helper', deny: ['orders.read'] },
    ]),
    sessionKey: Buffer.alloc(32, 1),
    homeRegion: (tenant) => (tenant === 'globex' ? 'EU' : 'US'),
    ...(more.elevations && { elevations: () => more.elevations ?? [] }),
    ...(more.local && { local: { tenant: 'local', principal: 'agent:local', scopes: ['orders.read'] } }),
  })
  const bearer = (token: string, mcpSession?: string) =>
    identify({
      transport: 'http',
      credential: { kind: 'bearer', token },
      ...(mcpSession !== undefined && { mcpSession }),
    })
  return { tokens, identify, prove, bearer }
}

const who = async (identity: ReturnType<ReturnType<typeof bench>['bearer']>) => {
  const known = await identity
  if (!known.ok) throw new Error(known.why)
  return known.who
}

describe('identifying a caller', () => {
  it('proves a token once: its proof stands for it until it runs out', async () => {
    const { tokens, identify, bearer } = bench()
    const first = await bearer(tokens.token())
    if (!first.ok || !first.proof) throw new Error('no proof')
    const again = () => identify({ transport: 'http', credential: { kind: 'proven', proof: first.proof as Proof } })
    expect(await again()).toMatchObject({ ok: true, who: first.who })
    tokens.clock.advance(600_000)
    expect(await again()).toMatchObject({ ok: false, code: 'unauthenticated', why: 'exp: The token has expired.' })
  })

  it('takes nothing for a proof that only looks like one', async () => {
    const { tokens, identify, bearer } = bench()
    const first = await bearer(tokens.token())
    const held = Proof.read(first.ok && first.proof)
    const copies = [
      { ...held },
      structuredClone(held),
      JSON.parse(JSON.stringify(held)),
      Object.create(Proof.prototype),
    ]
    for (const proof of [...copies, undefined, null, 'proof'])
      expect((await identify({ transport: 'http', credential: { kind: 'proven', proof: proof as Proof } })).ok).toBe(
        false,
      )
  })

  it('judges a proof under the configuration it is shown to', async () => {
    const { tokens, bearer } = bench()
    const first = await bearer(tokens.token())
    if (!first.ok || !first.proof) throw new Error('no proof')
    const strict = identifier({
      verifier: tokens.tokens,
      replay: async () => ({ kind: 'taken', tied: true }),
      dpop: { state: memoryState(), time: steadyTime(tokens.clock), pace: proofPace(tokens.clock) },
      directory: directory([{ principal: 'agent:copilot', deny: ['orders.read'] }]),
      sessionKey: Buffer.alloc(32, 1),
      homeRegion: () => 'US',
    })
    const again = await strict.identify({ transport: 'http', credential: { kind: 'proven', proof: first.proof } })
    expect(again).toMatchObject({ ok: true, who: { rights: ['flags.write:staging'] } })
  })

  it('gives a token the same session in every process, and a process without one its own', async () => {
    const { tokens, identify } = bench({ local: true })
    const session = async (credential: Parameters<typeof identify>[0]['credential']) =>
      (await who(Promise.resolve(identify({ transport: 'stdio', credential })))).session
    const [one, two] = ['p1', 'p2'].map((processId) =>
      session({ kind: 'bearer', token: tokens.token({ jti: processId }), processId }),
    )
    expect(await one).toBe(await two)
    expect((await one)?.[13]).toBe('n')
    expect((await session({ kind: 'process', processId: 'p1' }))[13]).toBe('p')
  })

  it('gives the principal that a token proves', async () => {
    const { tokens, bearer } = bench()
    expect(await who(bearer(tokens.token()))).toMatchObject({
      tenant: 'acme',
      actor: { id: 'agent:copilot', type: 'agent', jti: 'b9f1c5d2' },
      scopes: ['orders.read', 'flags.write:staging'],
      rights: ['orders.read'],
      outsideAllow: ['flags.write:staging'],
      region: 'US',
      ttlSec: 600,
      selfIssued: false,
    })
  })

  it('takes the region from the token, else from the home of the tenant', async () => {
    const { tokens, bearer } = bench()
    expect((await who(bearer(tokens.token({ tenant: 'globex' })))).region).toBe('EU')
    expect((await who(bearer(tokens.token({ tenant: 'globex', region: 'US' })))).region).toBe('US')
  })

  it('lets an actor do only what it and its subject may', async () => {
    const { tokens, bearer } = bench()
    const known = await who(bearer(tokens.token({ act: { sub: 'agent:helper' } })))
    expect(known.actor).toMatchObject({ id: 'agent:helper', onBehalfOf: 'agent:copilot' })
    expect(known.rights).toEqual([])
  })

  it('adds elevations that are not denied', async () => {
    const { tokens, bearer } = bench({ elevations: ['web.fetch', 'crm.write'] })
    expect((await who(bearer(tokens.token()))).rights).toEqual(['orders.read', 'web.fetch'])
  })

  it('refuses a token that lives longer than its principal may', async () => {
    const { tokens, bearer } = bench()
    expect(await bearer(tokens.token({ sub: 'agent:brief' }))).toMatchObject({ ok: false, code: 'unauthenticated' })
  })

  it('keeps the session across new tokens, and changes it with the sid', async () => {
    const { tokens, bearer } = bench()
    const [one, two, other] = await Promise.all([
      who(bearer(tokens.token())),
      who(bearer(tokens.token({ jti: 'next' }))),
      who(bearer(tokens.token({ sid: 'fresh' }))),
    ])
    expect(one.session).toBe(two.session)
    expect(other.session).not.toBe(one.session)
  })

  it('takes no one without a token for someone, unless development names who a local process is', async () => {
    const process = { transport: 'stdio', credential: { kind: 'process', processId: '42' } } as const
    expect((await bench().identify(process)).ok).toBe(false)
    expect((await bench({ local: true }).identify({ transport: 'http', credential: { kind: 'none' } })).ok).toBe(false)
    const local = await bench({ local: true }).identify(process)
    expect(local).toMatchObject({
      ok: true,
      who: { issuer: localIssuer, tenant: 'local', selfIssued: true, rights: ['orders.read'] },
    })
  })
})

describe('taking a token for its sender', () => {
  const thumb = (letter: string) => letter.repeat(43)
  const shown = (token: string, more: object = {}) =>
    ({ transport: 'http', credential: { kind: 'bearer', token, ...more } }) as const

  it('ties it to the first of certificate, DPoP key, protocol session and stdio connection', async () => {
    const { tokens, identify } = bench()
    const cases = [
      [{ binding: { certThumb: thumb('c'), keyThumb: thumb('k') } }, 'one'],
      [{ binding: { keyThumb: thumb('k') } }, 'one'],
      [{}, 'one'],
      [{ processId: 'p' }, undefined],
    ] as const
    for (const [index, [more, mcpSession]] of cases.entries()) {
      const request = { ...shown(tokens.token({ jti: `t${index}` }), more), ...(mcpSession && { mcpSession }) }
      expect((await who(Promise.resolve(identify(request)))).tied).toBe(true)
      const elsewhere = { ...request, mcpSession: 'two' }
      const again = await identify(elsewhere)
      expect(again.ok, String(index)).toBe(index < 2)
    }
  })

  it('says that one nothing tells apart is not tied', async () => {
    const { tokens, bearer } = bench()
    expect((await who(bearer(tokens.token()))).tied).toBe(false)
    expect((await who(bearer(tokens.token()))).tied).toBe(false)
  })

  it('happens when the sender is known, and once: proving takes nothing', async () => {
    const { tokens, identify, prove } = bench({ mode: 'strict' })
    const token = tokens.token()
    const proven = await prove(shown(token))
    if (!proven.ok || !proven.proof) throw new Error('no proof')
    expect(proven.who.tied).toBe(false)
    const taken = await identify({ transport: 'http', credential: { kind: 'proven', proof: proven.proof } })
    if (!taken.ok || !taken.proof) throw new Error('not taken')
    expect(taken.who.tied).toBe(true)
    const again = (proof: Proof) => identify({ transport: 'http', credential: { kind: 'proven', proof } })
    expect(await again(taken.proof)).toMatchObject({ ok: true, who: { tied: true } })
    expect(await again(proven.proof)).toMatchObject({ ok: false, code: 'token_replayed' })
    expect(await identify(shown(token))).toMatchObject({ ok: false, code: 'token_replayed' })
  })

  it('names whose token it was when it was shown by another, and tells nothing where the token is not proven', async () => {
    const { tokens, bearer } = bench()
    await bearer(tokens.token(), 'one')
    expect(await bearer(tokens.token(), 'two')).toMatchObject({
      ok: false,
      code: 'token_replayed',
      who: { tenant: 'acme', actor: { id: 'agent:copilot', jti: 'b9f1c5d2' } },
    })
    expect(await bearer(tokens.token({ aud: 'other' }), 'two')).not.toHaveProperty('who')
  })

  it('lets nobody in when the state is full or cannot be asked', async () => {
    const full = memoryState({ entriesMax: 1 })
    await full.remember('other', 'x', Number.MAX_SAFE_INTEGER, 0)
    const down = { remember: () => Promise.reject(new Error('disk')) }
    for (const state of [full, down]) {
      const { tokens, bearer } = bench({ state })
      expect(await bearer(tokens.token())).toMatchObject({ ok: false, code: 'internal' })
    }
  })
})
