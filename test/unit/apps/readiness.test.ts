import { describe, expect, it, vi } from 'vitest'
import { issuerKeysUrl } from '../../../src/adapters/issuer-keys-url.ts'
import { adminService, type AdminServiceParts } from '../../../src/apps/admin-service.ts'
import { conditions, type Watched } from '../../../src/apps/readiness.ts'
import { listenAdmin } from '../../../src/server/admin.ts'
import { meters as openMeters } from '../../../src/telemetry/metrics.ts'
import { testClock } from '../../support/clock.ts'
import { giving, jwksOf, keyServer, type KeyServer } from '../../support/key-server.ts'
import { mint } from '../../support/tokens.ts'
import { send } from '../../support/wire.ts'

/** What the parts themselves say: for operators, with everything that is nobody else's business. */
const inside = 'see /var/lib/gate/x.json at https://id.internal.example:8443'

const part = (problem?: string) => ({ problem: () => problem })
const keys = (inForce?: boolean) => ({
  keys: inForce === undefined ? {} : { trouble: () => ({ why: inside, inForce }) },
})
const well: Watched = { log: part(), detector: part(), tickets: part(), issuers: [keys()] }

describe('readiness', () => {
  it.each<[string, Partial<Watched>, string, string]>([
    ['evidence that cannot be written', { log: part(inside) }, 'evidence', 'unfit'],
    ['no keys of any issuer', { issuers: [keys(false), keys(false)] }, 'issuer_keys', 'unfit'],
    ['no keys of one issuer among others', { issuers: [keys(false), keys()] }, 'issuer_keys', 'warn'],
    ['keys that are in force and cannot be renewed', { issuers: [keys(true)] }, 'issuer_keys', 'warn'],
    ['an issuer with old keys beside one without', { issuers: [keys(true), keys(false)] }, 'issuer_keys', 'warn'],
    ['a ticket register that is away', { tickets: part(inside) }, 'tickets', 'warn'],
    ['a record that the detector could not judge', { detector: part(inside) }, 'detector', 'warn'],
  ])('judges %s, and says it without a path, host or address', (_what, ill, name, level) => {
    const found = conditions({ ...well, ...ill }).filter((one) => one.level !== 'ok')
    expect(found).toMatchObject([{ part: name, level }])
    expect(found[0]?.says).toMatch(/^[A-Z][A-Za-z ,:;]+\.$/)
  })

  it('is nothing to speak of while everything is in order, also without an issuer', () => {
    expect(conditions(well).map(({ level }) => level)).toEqual(['ok', 'ok', 'ok', 'ok'])
    expect(conditions({ ...well, issuers: [] }).every(({ level }) => level === 'ok')).toBe(true)
  })
})

const minute = 60_000

/** The admin listener of a gateway whose one issuer is named by an address. */
async function bench(server: KeyServer) {
  const clock = testClock()
  const issuer = issuerKeysUrl({ url: server.url, algorithms: ['ES256'], clock, fault: () => undefined })
  const meters = openMeters()
  const service = adminService({
    log: part(),
    options: { tickets: part(), identity: { issuers: [{ keys: issuer }] } },
    detector: part(),
    meters,
  } as unknown as AdminServiceParts)
  const listener = await listenAdmin({
    service,
    host: '127.0.0.1',
    port: 0,
    token: { current: () => 't' },
    fault: (error) => expect.unreachable(String(error)),
  })
  return {
    clock,
    issuer,
    level: async () => /^sluicegate_readiness\{part="issuer_keys"\} (\d)$/m.exec(await meters.text())?.[1],
    async ready() {
      const { status, text } = await send(`${listener.url}/readyz`, { method: 'GET' })
      expect(text).not.toMatch(/127\.0\.0\.1|localhost|certs|http/)
      return { status, ...(JSON.parse(text) as object) }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([listener.close(), issuer.close(), meters.close()])
    },
  }
}

const down: KeyServer['answer'] = (_request, response) => void response.writeHead(503).end()

describe('/readyz while an issuer is down', () => {
  it('stays 200 with a warning as long as its last good keys are in force, and is 503 after that', async () => {
    await using server = await keyServer(giving(jwksOf(mint('ES256', 'one'))))
    await using gate = await bench(server)
    await gate.issuer.keys('one')
    expect(await gate.ready()).toMatchObject({ status: 200, problems: [], warnings: [] })
    expect(await gate.level()).toBe('0')
    server.answer = down
    gate.clock.advance(30 * minute)
    await gate.issuer.keys('another')
    const warnings = ['The keys of an issuer could not be renewed: the last good ones are in force.']
    expect(await gate.ready()).toMatchObject({ status: 200, ready: true, problems: [], warnings })
    expect(await gate.level()).toBe('1')
    gate.clock.advance(30 * minute)
    const problems = ['No issuer has keys in force: every token is refused.']
    expect(await gate.ready()).toMatchObject({ status: 503, ready: false, problems, warnings: [] })
    expect(await gate.level()).toBe('2')
  })

  it('is 200 again once the issuer is back, though no call comes while it is not ready', async () => {
    await using server = await keyServer(down)
    await using gate = await bench(server)
    await gate.issuer.keys('one')
    expect(await gate.ready()).toMatchObject({ status: 503 })
    server.answer = giving(jwksOf(mint('ES256', 'one')))
    gate.clock.advance(minute)
    await vi.waitFor(async () => expect(await gate.ready()).toMatchObject({ status: 200, warnings: [] }), 10_000)
    expect(server.seen).toHaveLength(2)
  })

  it('is 503 until the first keys have come, and 200 for keys that nobody has asked for in hours', async () => {
    const answers = Promise.withResolvers<void>()
    await using server = await keyServer((request, response) => {
      void answers.promise.then(() => giving(jwksOf(mint('ES256', 'one')))(request, response))
    })
    await using gate = await bench(server)
    expect(await gate.ready()).toMatchObject({ status: 503 })
    answers.resolve()
    await gate.issuer.keys('one')
    gate.clock.advance(180 * minute)
    expect(await gate.ready()).toMatchObject({ status: 200, warnings: [] })
  })

  it('is 503 when the issuer withdraws every key', async () => {
    await using server = await keyServer(giving({ keys: [] }))
    await using gate = await bench(server)
    await gate.issuer.keys('one')
    expect(await gate.ready()).toMatchObject({ status: 503 })
  })
})
