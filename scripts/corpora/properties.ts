import { randomUUID } from 'node:crypto'
import { verifier } from '../../src/identity/token.ts'
import { testClock } from '../../test/support/clock.ts'
import { mint, trusting } from '../../test/support/tokens.ts'
import { modernCall, send, type Sent } from '../../test/support/wire.ts'
import { tokenOf } from './attacks.ts'
import { kidFlood } from './kid-flood.ts'
import { audience, issuer, isServed, passed, present, week, type Bench } from './operator-bench.ts'
import { flooded, replayed } from './replays.ts'

/** An attack that is more than one forged token: gives the attempts that got through. */
export type Property = (bench: Bench) => Promise<readonly string[]>

export const properties: Readonly<Record<string, Property>> = {
  'kid-unknown-flood': ({ forge }) => kidFlood(forge),
  'scope-widening': async (bench) => {
    const through: string[] = []
    for (const scope of ['orders.readall', 'orders', 'order', 'orders.read:all', 'Orders.Read', '']) {
      if (await isServed(bench, tokenOf(bench.forge, { scope }))) through.push(`scope ${scope}`)
    }
    return through
  },
  'cross-tenant': async (bench) => {
    const { body, headers } = modernCall('orders.export', { ...week, tenant: 'globex' })
    const authorization = `Bearer ${tokenOf(bench.forge)}`
    const argued = await send(bench.gateway.mcp, { headers: { ...headers, authorization }, body: JSON.stringify(body) })
    const refused = argued.message.result?.isError === true
    bench.behind.text = ''
    await present(bench, {
      headers: { authorization, 'x-tenant': 'globex', 'x-tenant-id': 'globex', tenant: 'globex' },
    })
    const { text } = bench.behind
    const through = refused ? [] : ['a tenant in the arguments']
    if (!text.includes('acme')) through.push('nothing was called, so nothing was shown')
    return text.includes('globex') ? [...through, 'a tenant in a header'] : through
  },
  'query-token': async (bench) => {
    const token = tokenOf(bench.forge)
    const { body } = modernCall('orders.export', week)
    const tries: readonly (readonly [string, Sent, string?])[] = [
      ['query', {}, `?access_token=${token}&authorization=Bearer%20${token}&token=${token}`],
      ['body', { body: JSON.stringify({ ...body, access_token: token, authorization: `Bearer ${token}` }) }],
      ['two headers', { headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } }],
      ['cookie', { headers: { cookie: `access_token=${token}; authorization=Bearer ${token}` } }],
      ['proxy header', { headers: { 'proxy-authorization': `Bearer ${token}`, 'x-access-token': token } }],
    ]
    const through: string[] = []
    for (const [name, sent, path] of tries) if (passed(await present(bench, sent, path))) through.push(name)
    return through
  },
  passthrough: async (bench) => {
    const { forge, gateway, behind } = bench
    const token = tokenOf(forge)
    behind.text = ''
    const authorization = `Bearer ${token}`
    const calls = [
      modernCall('orders.export', week),
      modernCall('web.fetchSafe', { url: 'http://partner.example/' }),
      modernCall('flag.set', { name: 'x', env: 'dev', rolloutPct: 1, idemKey: randomUUID() }),
    ]
    for (const { body, headers } of calls)
      await send(gateway.mcp, { headers: { ...headers, authorization }, body: JSON.stringify(body) })
    if (behind.text === '') return ['nothing was called, so nothing was shown']
    return token.split('.').some((part) => behind.text.includes(part)) ? ['part of the token reached an upstream'] : []
  },
  clock: async ({ forge }) => {
    const clock = testClock(Date.now())
    const { verify } = verifier({ issuers: [trusting(forge.own, { issuer })], audience, clock, cacheMax: 100 })
    const token = tokenOf(forge)
    const through = (await verify(token)).ok ? [] : ['the token did not pass at first']
    clock.step(-300_000)
    if ((await verify(tokenOf(forge, { nbf: Math.floor(Date.now() / 1000) + 400 }))).ok)
      through.push('not yet valid, clock back')
    clock.step(300_000)
    clock.advance(601_000)
    if ((await verify(token)).ok) through.push('expired')
    for (const step of [-3_600_000, 300_000, -300_000]) {
      clock.step(step)
      if ((await verify(token)).ok) through.push(`expired, clock stepped ${step} ms`)
    }
    return through
  },
  revoked: async (bench) => {
    const { forge, gateway } = bench
    const jti = randomUUID()
    const token = tokenOf(forge, { jti, sid: 'revoked' })
    const through = (await isServed(bench, token)) ? [] : ['the token did not pass before it was revoked']
    const operator = { kind: 'operator', name: 'corpora' } as const
    await gateway.started.gateway.switches.engage({ kind: 'token', target: jti, reason: 'test' }, operator)
    if (await isServed(bench, token)) through.push('token revoked')
    const rotated = trusting(mint(forge.own.alg, forge.own.kid), { issuer })
    const withdrawn = { issuer, keys: { keys: () => [] } }
    for (const issuers of [[], [rotated], [withdrawn]]) {
      const { verify } = verifier({ issuers, audience, clock: testClock(Date.now()), cacheMax: 10 })
      if ((await verify(tokenOf(forge))).ok) through.push('issuer or key removed')
    }
    return through
  },
  jti: ({ forge }) => replayed(forge),
  // Whatever signed the tokens, their names are kept alike.
  'jti-flood': async ({ forge }) => (forge.own.alg === 'EdDSA' ? flooded(forge) : []),
}
