import { describe, expect, it } from 'vitest'
import { memoryState } from '../../../src/adapters/state-memory.ts'
import { aQuestion, testDesk } from '../../support/grants.ts'
import { testClock } from '../../support/clock.ts'
import { OrderRefused } from '../../../src/control/order.ts'
import { until } from '../../support/until.ts'

const ask = {
  principal: 'agent:release',
  tenant: 'acme',
  scopes: ['flags.write:prod'],
  reason: 'hotfix',
  requestedBy: 'ana',
  ttlSeconds: 900,
}
const carla = { by: 'carla' }

describe('an elevation', () => {
  it('is in force once another person approved it, and for its time only', async () => {
    const { desk, clock } = await testDesk()
    const { id } = await desk.request(ask)
    expect(desk.elevated('acme', 'agent:release')).toEqual([])
    const granted = await desk.approve(id, carla)
    expect(granted).toMatchObject({ state: 'granted', decidedBy: 'carla', endsMs: clock.nowMs() + 900_000 })
    expect(desk.elevated('acme', 'agent:release')).toEqual(['flags.write:prod'])
    clock.advance(900_000)
    expect(desk.elevated('acme', 'agent:release')).toEqual([])
    await desk.close()
  })

  it.each(['ana', 'agent:release', 'RELEASE', 'user:ana'])(
    'is not approved by %s, who asked or whom it is for',
    async (by) => {
      const { desk, entries } = await testDesk()
      const { id } = await desk.request(ask)
      await expect(desk.approve(id, { by })).rejects.toThrow(/another person/)
      expect(desk.elevated('acme', 'agent:release')).toEqual([])
      expect(entries.map(({ type }) => type)).toEqual(['grant.request'])
      await desk.close()
    },
  )

  it('is approved by the named person alone', async () => {
    const { desk } = await testDesk()
    const { id } = await desk.request({ ...ask, approver: 'dora' })
    await expect(desk.approve(id, carla)).rejects.toThrow(/only dora/)
    expect((await desk.approve(id, { by: 'dora' })).state).toBe('granted')
    await desk.close()
  })

  it('is decided once', async () => {
    const { desk, entries } = await testDesk()
    const { id } = await desk.request(ask)
    const all = await Promise.allSettled(Array.from({ length: 50 }, () => desk.approve(id, carla)))
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await expect(desk.approve(id, carla)).rejects.toThrow(/granted already/)
    expect(entries.filter(({ type }) => type === 'grant.approve')).toHaveLength(1)
    await desk.close()
  })

  it('leaves every step in evidence, in the tenant of whom it is for', async () => {
    const { desk, entries, clock } = await testDesk()
    const { id } = await desk.request({ ...ask, ticket: 'CHG-1' })
    await desk.approve(id, carla)
    clock.advance(900_000)
    await until(() => entries.length === 3, 'the end on record')
    const other = await desk.request(ask)
    await desk.deny(other.id, carla)
    expect(entries.map(({ type, tenant, actor }) => [type, tenant, actor?.id])).toEqual([
      ['grant.request', 'acme', 'ana'],
      ['grant.approve', 'acme', 'carla'],
      ['grant.expire', 'acme', 'agent:release'],
      ['grant.request', 'acme', 'ana'],
      ['grant.deny', 'acme', 'carla'],
    ])
    expect(entries[1]).toMatchObject({
      grants: [{ scope: 'flags.write:prod', jit: true, ticket: 'CHG-1' }],
      ext: { grantId: id, subject: 'agent:release', requestedBy: 'ana', decidedBy: 'carla', reason: 'hotfix' },
    })
    await desk.close()
  })

  it('is not in force when its approval cannot be recorded, and can be approved again', async () => {
    const { desk, breakLog } = await testDesk()
    const { id } = await desk.request(ask)
    breakLog()
    await expect(desk.approve(id, carla)).rejects.toThrow('disk full')
    expect(desk.elevated('acme', 'agent:release')).toEqual([])
    expect((await desk.approve(id, carla)).state).toBe('granted')
    await desk.close()
  })

  it('is not there when its request cannot be recorded', async () => {
    const { desk, breakLog } = await testDesk()
    breakLog()
    await expect(desk.request(ask)).rejects.toThrow('disk full')
    const [left] = await desk.list()
    expect(left?.state).toBe('expired')
    await expect(desk.approve(left?.id ?? '', carla)).rejects.toThrow(/expired already/)
    await desk.close()
  })

  it('survives a restart with what was left of its time, and no more with a clock set back meanwhile', async () => {
    const state = memoryState()
    const before = await testDesk({ state })
    const { id } = await before.desk.request(ask)
    await before.desk.approve(id, carla)
    before.clock.advance(890_000)
    const stoppedMs = before.clock.nowMs()
    await before.desk.close()

    const late = testClock(stoppedMs - 600_000)
    const after = await testDesk({ state, clock: late })
    expect(after.desk.elevated('acme', 'agent:release')).toEqual(['flags.write:prod'])
    late.advance(10_000)
    expect(after.desk.elevated('acme', 'agent:release')).toEqual([])
    await after.desk.close()
  })

  it('is over after a restart when its time went by meanwhile, and that is recorded', async () => {
    const state = memoryState()
    const before = await testDesk({ state })
    const { id } = await before.desk.request(ask)
    await before.desk.approve(id, carla)
    await before.desk.close()
    const after = await testDesk({ state, clock: testClock(before.clock.nowMs() + 900_000) })
    expect(after.desk.elevated('acme', 'agent:release')).toEqual([])
    await until(() => after.entries.length > 0, 'the end on record')
    expect(after.entries.map(({ type }) => type)).toEqual(['grant.expire'])
    expect((await after.desk.find(id))?.state).toBe('expired')
    await after.desk.close()
  })

  it('waits again after a restart that came between a decision and its record', async () => {
    const state = memoryState()
    const before = await testDesk({ state })
    const { id } = await before.desk.request(ask)
    const kept = await state.read('grants', id, before.clock.nowMs())
    const deciding = { ...kept!.document, state: 'deciding', decidedBy: 'carla', decidedMs: 1, endsMs: 9e15 }
    await state.write('grants', { ...kept!, document: deciding }, kept!.version, before.clock.nowMs())
    await before.desk.close()
    const after = await testDesk({ state, clock: before.clock })
    expect(after.desk.elevated('acme', 'agent:release')).toEqual([])
    expect((await after.desk.find(id))?.state).toBe('pending')
    expect((await after.desk.approve(id, carla)).state).toBe('granted')
    await after.desk.close()
  })

  it('ends at once when it is denied after all', async () => {
    const { desk } = await testDesk()
    const { id } = await desk.request(ask)
    await desk.approve(id, carla)
    await desk.deny(id, carla)
    expect(desk.elevated('acme', 'agent:release')).toEqual([])
    await expect(desk.deny(id, carla)).rejects.toThrow(/denied already/)
    await desk.close()
  })

  it('may be made shorter by whoever approves it, never longer', async () => {
    const { desk, clock } = await testDesk()
    const short = await desk.approve((await desk.request(ask)).id, { by: 'carla', ttlMs: 60_000 })
    const long = await desk.approve((await desk.request(ask)).id, { by: 'carla', ttlMs: 9_000_000 })
    expect([short.endsMs, long.endsMs]).toEqual([clock.nowMs() + 60_000, clock.nowMs() + 900_000])
    await desk.close()
  })

  it('is refused for a scope there is not, one that is denied, and while a switch stops approvals', async () => {
    const { desk } = await testDesk({ rules: { denied: () => ['crm.write'], halted: () => 'a switch has revoked it' } })
    await expect(desk.request({ ...ask, scopes: ['flags.write:prd'] })).rejects.toThrow(
      /did you mean 'flags.write:prod'/,
    )
    await expect(desk.request({ ...ask, scopes: ['crm.write'] })).rejects.toThrow(/deny list/)
    const { id } = await desk.request(ask)
    await expect(desk.approve(id, carla)).rejects.toThrow(/a switch has revoked it/)
    await desk.close()
  })

  it('is not approved when a switch stops it while the register of its ticket is asked', async () => {
    let stopped: string | undefined
    const ticket = async () => void (stopped = 'the switch sw-1 stops it')
    const { desk } = await testDesk({ rules: { ticket, halted: () => stopped } })
    const { id } = await desk.request({ ...ask, ticket: 'CHG-1' })
    await expect(desk.approve(id, carla)).rejects.toThrow(/sw-1/)
    expect(desk.elevated('acme', 'agent:release')).toEqual([])
    await desk.close()
  })

  it('that names a ticket is approved only while its register confirms it', async () => {
    let problem: string | undefined = 'the register knows no approved ticket CHG-1'
    const asked: unknown[] = []
    const ticket = async (...what: unknown[]) => (asked.push(what), problem)
    const { desk } = await testDesk({ rules: { ticket } })
    const { id } = await desk.request({ ...ask, ticket: 'CHG-1' })
    await expect(desk.approve(id, carla)).rejects.toThrow(/no approved ticket CHG-1/)
    expect(desk.elevated('acme', 'agent:release')).toEqual([])
    problem = undefined
    expect((await desk.approve(id, carla)).state).toBe('granted')
    const what = ['acme', 'agent:release', 'CHG-1']
    expect(asked).toEqual([what, what])
    await desk.close()
  })

  it('is no longer approved once nobody decided it in time', async () => {
    const { desk, clock } = await testDesk()
    const { id } = await desk.request(ask)
    clock.advance(24 * 3_600_000)
    await expect(desk.approve(id, carla)).rejects.toThrow(/time to be decided is over|expired already/)
    await desk.close()
  })

  it('is asked for by configuration once, also over restarts, and stays decided', async () => {
    const state = memoryState()
    const before = await testDesk({ state })
    await before.desk.prepare([ask])
    await before.desk.prepare([ask])
    const [{ id } = { id: '' }, ...rest] = await before.desk.list()
    expect(rest).toEqual([])
    await before.desk.deny(id, carla)
    await before.desk.close()
    const after = await testDesk({ state, clock: before.clock })
    await after.desk.prepare([ask])
    expect((await after.desk.list()).map(({ state: stands }) => stands)).toEqual(['denied'])
    await after.desk.close()
  })

  it('waits for a person beside at most fifteen others of the same principal, 200 of its tenant, and 1,000 of all', async () => {
    const { desk } = await testDesk()
    const flood = await Promise.allSettled(Array.from({ length: 40 }, () => desk.request(ask)))
    expect(flood.filter(({ status }) => status === 'fulfilled')).toHaveLength(16)
    expect((await desk.request({ ...ask, principal: 'agent:other' })).state).toBe('pending')
    const taken = async (tenant: string) => {
      const asks = Array.from({ length: 300 }, (_, n) => desk.request({ ...ask, tenant, principal: `agent:${n}` }))
      return (await Promise.allSettled(asks)).filter(({ status }) => status === 'fulfilled').length
    }
    expect(await taken('acme')).toBe(200 - 17)
    for (const tenant of ['t1', 't2', 't3', 't4']) expect(await taken(tenant)).toBe(200)
    expect(await taken('t5')).toBe(0)
    await desk.close()
  })
})

describe('an exact-call approval', () => {
  it('lets the same call pass once: of 200 at once, one', async () => {
    const { desk, entries } = await testDesk()
    expect((await desk.ask(aQuestion())).kind).toBe('pending')
    const [{ id } = { id: '' }] = await desk.list()
    await desk.approve(id, carla)
    const answers = await Promise.all(Array.from({ length: 200 }, () => desk.ask(aQuestion())))
    expect(answers.filter(({ kind }) => kind === 'spent')).toEqual([{ kind: 'spent', id, approver: 'carla' }])
    expect(answers.filter(({ kind }) => kind === 'pending')).toHaveLength(199)
    expect(entries.filter(({ type }) => type === 'grant.spend')).toHaveLength(1)
    await desk.close()
  })

  it('is asked for once, however often and however many at once', async () => {
    const { desk } = await testDesk()
    const answers = await Promise.all(Array.from({ length: 100 }, () => desk.ask(aQuestion())))
    answers.push(await desk.ask(aQuestion()))
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(await desk.list()).toHaveLength(1)
    await desk.close()
  })

  it('is for one binding alone', async () => {
    const { desk } = await testDesk()
    await desk.ask(aQuestion())
    const [{ id } = { id: '' }] = await desk.list()
    await desk.approve(id, carla)
    expect((await desk.ask(aQuestion({ binding: 'b-2' }))).kind).toBe('pending')
    expect((await desk.ask(aQuestion())).kind).toBe('spent')
    await desk.close()
  })

  it('runs out, and then a new one is needed', async () => {
    const { desk, clock } = await testDesk()
    await desk.ask(aQuestion())
    const [{ id } = { id: '' }] = await desk.list()
    await desk.approve(id, carla)
    clock.advance(900_000)
    const again = await desk.ask(aQuestion())
    expect(again).toMatchObject({ kind: 'pending' })
    expect(again).not.toMatchObject({ id })
    await desk.close()
  })

  it('survives a restart, and stays spent after another', async () => {
    const state = memoryState()
    const one = await testDesk({ state })
    await one.desk.ask(aQuestion())
    const [{ id } = { id: '' }] = await one.desk.list()
    await one.desk.approve(id, carla)
    await one.desk.close()
    one.clock.advance(1)
    const two = await testDesk({ state, clock: one.clock })
    expect(await two.desk.ask(aQuestion())).toMatchObject({ kind: 'spent', id })
    await two.desk.close()
    one.clock.advance(1)
    const three = await testDesk({ state, clock: one.clock })
    expect((await three.desk.ask(aQuestion())).kind).toBe('pending')
    await three.desk.close()
  })

  it('that was denied stays denied for an hour, without asking the person again', async () => {
    const { desk, clock } = await testDesk()
    await desk.ask(aQuestion())
    const [{ id } = { id: '' }] = await desk.list()
    await desk.deny(id, carla)
    expect(await desk.ask(aQuestion())).toEqual({ kind: 'denied', id })
    clock.advance(3_600_000)
    expect((await desk.ask(aQuestion())).kind).toBe('pending')
    await desk.close()
  })

  it('is not asked for by a principal that keeps sixteen waiting', async () => {
    const { desk, clock, entries } = await testDesk()
    const asked = await Promise.all(Array.from({ length: 40 }, (_, n) => desk.ask(aQuestion({ binding: `b-${n}` }))))
    expect(asked.filter(({ kind }) => kind === 'pending')).toHaveLength(16)
    expect(asked.filter(({ kind }) => kind === 'full')).toHaveLength(24)
    clock.advance(3_600_000)
    await until(() => entries.filter(({ type }) => type === 'grant.expire').length === 16, 'the end of all on record')
    expect((await desk.ask(aQuestion({ binding: 'later' }))).kind).toBe('pending')
    await desk.close()
  })

  it('is lost, never used twice, when its use cannot be recorded', async () => {
    const { desk, breakLog } = await testDesk()
    await desk.ask(aQuestion())
    const [{ id } = { id: '' }] = await desk.list()
    await desk.approve(id, carla)
    breakLog()
    await expect(desk.ask(aQuestion())).rejects.toThrow('disk full')
    expect((await desk.ask(aQuestion())).kind).toBe('pending')
    await desk.close()
  })
})

describe('a switch that a detection asks for', () => {
  const by = { kind: 'detector', rule: 'loop_arrest', version: 1, digest: 'd' } as const
  const order = {
    kind: 'session',
    target: '0123456789ab-s0123456789ab',
    reason: 'a loop',
    ttlMs: 60_000,
    tenant: 'acme',
  } as const

  it('is engaged when a person approves it, in that person’s name', async () => {
    const given: unknown[] = []
    const { desk } = await testDesk({ rules: { order: async (...order_) => given.push(order_) } })
    await desk.propose('gr-1', { order, by, alert: 'al-1', unanswered: 'enforce' }, 600_000)
    await desk.propose('gr-1', { order, by, alert: 'al-1', unanswered: 'enforce' }, 600_000)
    const [{ id } = { id: '' }] = await desk.list()
    expect(given).toEqual([])
    await desk.approve(id, carla)
    expect(given).toEqual([['gr-1', order, { kind: 'operator', name: 'carla' }]])
    expect(await desk.list()).toHaveLength(1)
    await desk.close()
  })

  it.each(['skip', 'enforce'] as const)('is left to the rule when nobody answers: %s', async (unanswered) => {
    const given: unknown[] = []
    const { desk, clock, entries } = await testDesk({ rules: { order: async (...order_) => given.push(order_) } })
    await desk.propose('gr-1', { order, by, alert: 'al-1', unanswered }, 600_000)
    clock.advance(600_000)
    await until(() => entries.length === 2, 'the end on record')
    expect(given).toEqual(unanswered === 'enforce' ? [['gr-1', order, by]] : [])
    expect((await desk.find('gr-1'))?.state).toBe('expired')
    await desk.close()
  })

  const proposed = { order, by, alert: 'al-1', unanswered: 'enforce' } as const

  it('that nobody answers and that is refused is over all the same: on record with the reason, and told to operators', async () => {
    const refusal = new OrderRefused('There is no session 0123456789ab-s0123456789ab.')
    const { desk, clock, entries, faults } = await testDesk({ rules: { order: () => Promise.reject(refusal) } })
    await desk.propose('gr-1', proposed, 600_000)
    clock.advance(600_000)
    await until(async () => (await desk.find('gr-1'))?.state === 'expired', 'the end of the request')
    await until(() => faults.length > 0, 'a word to operators')
    expect(entries.map(({ type }) => type)).toEqual(['grant.request', 'grant.expire'])
    expect(entries[1]?.ext).toMatchObject({ grantId: 'gr-1', state: 'expired', refused: refusal.message })
    expect(String(faults)).toContain('Nobody decided gr-1, and the switch it asks for was refused')
    await desk.close()
  })

  it('that nobody answers is tried again while its order cannot be written, told once, and keeps nothing else waiting', async () => {
    let tries = 0
    let broken = true
    const given = async () => {
      tries += 1
      if (broken) throw new Error('disk full')
    }
    const { desk, clock, entries, faults } = await testDesk({ rules: { order: given } })
    await desk.propose('gr-1', proposed, 600_000)
    const { id } = await desk.request({ ...ask, ttlSeconds: 1 })
    await desk.approve(id, carla)
    clock.advance(600_000)
    await until(async () => (await desk.find(id))?.state === 'expired', 'the end of the other')
    await until(() => tries > 1, 'a second try')
    expect((await desk.find('gr-1'))?.state).toBe('pending')
    broken = false
    await until(async () => (await desk.find('gr-1'))?.state === 'expired', 'the end of the request')
    await until(() => entries.filter(({ type }) => type === 'grant.expire').length === 2, 'both on record')
    expect(faults.map(String)).toEqual(['Error: disk full'])
    await desk.close()
  })

  it('whose end cannot be recorded waits for the next sweep, and then it is', async () => {
    const { desk, clock, entries, faults, breakLog } = await testDesk()
    await desk.propose('gr-1', proposed, 600_000)
    breakLog()
    clock.advance(600_000)
    await until(() => entries.length === 2, 'the end on record')
    expect([entries[1]?.type, faults.map(String)]).toEqual(['grant.expire', ['Error: disk full']])
    await until(async () => (await desk.find('gr-1'))?.state === 'expired', 'the end of the request')
    await desk.close()
  })
})
