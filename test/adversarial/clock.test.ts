import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nodeFiles } from '../../src/adapters/files.ts'
import { memoryState } from '../../src/adapters/state-memory.ts'
import { sqliteState } from '../../src/adapters/state-sqlite.ts'
import { switches } from '../../src/control/switches.ts'
import { checkProof, readProof } from '../../src/identity/dpop.ts'
import { proofPace } from '../../src/identity/proof-pace.ts'
import { isWhy } from '../../src/identity/compact.ts'
import { replay } from '../../src/identity/replay.ts'
import { steadyTime } from '../../src/identity/steady.ts'
import { verifier, type ProvenToken } from '../../src/identity/token.ts'
import { buckets } from '../../src/limits/bucket.ts'
import type { StateStore } from '../../src/ports/state-store.ts'
import { testClock, type TestClock } from '../support/clock.ts'
import { proofBy } from '../support/dpop.ts'
import { verifyDirectory } from '../support/evidence-verified.ts'
import { openTestLog, outcome, recordsIn, temporary } from '../support/evidence.ts'
import { seeded } from '../support/log-mutator.ts'
import { goodHeader, mint, signed, testAudience, testIssuer, trusting } from '../support/tokens.ts'

const histories = Number(process.env['SLUICEGATE_CLOCKS'] ?? 50)
const seed = Number(process.env['SLUICEGATE_SEED'] ?? Date.now() % 1_000_000)

/** An hour back, five minutes on, a leap second either way. */
const steps = [-3_600_000, 300_000, -1_000, 1_000]
const own = mint()

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-clock-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A wall clock that is set, and goes back to the truth, while time passes. */
function disturbed(random: () => number) {
  const clock = testClock()
  const truth = testClock()
  let off = 0
  return {
    clock,
    /** What an honest clock says. */
    trueMs: truth.nowMs,
    /** Lets up to four minutes pass, and sets the wall clock: off by one of the steps, or right again. */
    move() {
      const ms = Math.floor(random() * 240_000)
      clock.advance(ms)
      truth.advance(ms)
      const next = random() < 0.4 ? 0 : (steps[Math.floor(random() * steps.length)] as number)
      clock.step(next - off)
      off = next
    },
  }
}

interface Issued {
  readonly text: string
  readonly token: ProvenToken
  readonly owner: string
  readonly endMs: number
}

/** Ten minutes by an honest issuer's clock. */
function issue(atMs: number, jti: string): { text: string; endMs: number } {
  const now = Math.floor(atMs / 1000)
  const who = { iss: testIssuer, aud: testAudience, sub: 'agent:copilot', tenant: 'acme', scope: 'orders.read' }
  const text = signed(own, goodHeader(own), { ...who, iat: now, nbf: now, exp: now + 600, jti })
  return { text, endMs: (now + 600) * 1000 }
}

function gate(clock: TestClock, state: StateStore) {
  const time = steadyTime(clock)
  const { verify, again } = verifier({ issuers: [trusting(own)], audience: testAudience, clock, cacheMax: 100 })
  return { time, verify, again, take: replay({ state, time, mode: 'bound' }) }
}

/** One history: tokens are issued, shown by their owner and by a thief, and shown again when they are over. */
async function history(random: () => number, state: StateStore): Promise<readonly string[]> {
  const { clock, trueMs, move } = disturbed(random)
  const { verify, again, take } = gate(clock, state)
  const issued: Issued[] = []
  const broken: string[] = []
  for (let round = 0; round < 40; round++) {
    move()
    const owner = `owner ${round}`
    const { text, endMs } = issue(trueMs(), `${random()}-${round}`)
    const shown = await verify(text)
    if (shown.ok && (await take(shown.token.claims, { kind: 'session', id: owner })).kind === 'taken')
      issued.push({ text, token: shown.token, owner, endMs })
    // Other entries come and go, and have what is over swept away.
    await state.remember(`other ${random()}`, 'x', clock.nowMs() + 1, clock.nowMs()).catch(() => undefined)
    for (const { text: old, token, owner: mine, endMs: over } of issued) {
      if (trueMs() >= over) {
        if (random() < 0.8) continue
        if ((await verify(old)).ok) broken.push(`round ${round}: an expired token passed`)
        if ((await again(token)) === undefined) broken.push(`round ${round}: an expired proof passed`)
      }
      if (!(await verify(old)).ok) continue
      if ((await take(token.claims, { kind: 'session', id: 'thief' })).kind === 'taken')
        broken.push(`round ${round}: replayed`)
      if ((await take(token.claims, { kind: 'session', id: mine })).kind !== 'taken')
        broken.push(`round ${round}: lost`)
    }
  }
  if (issued.length < 10) broken.push(`only ${issued.length} tokens passed at all`)
  return broken
}

describe('whatever the clock does: an hour back, five minutes on, a leap second', () => {
  it(`no expired token passes and no replay opens again, in ${histories} histories`, { timeout: 600_000 }, async () => {
    process.stdout.write(`clock: SLUICEGATE_SEED=${seed}\n`)
    const random = seeded(seed)
    const broken: string[] = []
    for (let n = 0; n < histories; n++) {
      const onDisk = n % 10 === 0
      // Small enough that a full table is swept all the time.
      const state = onDisk ? sqliteState({ file: join(folder, `${n}.db`) }) : memoryState({ entriesMax: 60 })
      for (const one of await history(random, state)) broken.push(`history ${n}: ${one}`)
      await state.close()
    }
    expect(broken).toEqual([])
  })

  it('no proof of possession is good twice', async () => {
    const random = seeded(seed + 1)
    const { clock, trueMs } = disturbed(random)
    const parts = { state: memoryState({ entriesMax: 200 }), time: steadyTime(clock), pace: proofPace(clock) }
    const key = mint('ES256', 'client')
    const url = 'https://gate.example/mcp'
    const owner = { tenant: 'acme', issuer: 'i', subject: 's' }
    const shown = async (proof: string) => {
      const read = readProof({ proof, method: 'POST', url }, 'token', parts.time.latestMs())
      return !isWhy(read) && (await checkProof(parts, read, owner)).kind === 'good'
    }
    for (let n = 0; n < 50; n++) {
      const proof = proofBy(key, 'token', url, trueMs())
      expect(await shown(proof)).toBe(true)
      for (const step of steps) {
        clock.step(step)
        await parts.state.remember(`other ${n} ${step}`, 'x', parts.time.earliestMs() + 1, parts.time.earliestMs())
        expect(await shown(proof)).toBe(false)
        clock.step(-step)
        expect(await shown(proof)).toBe(false)
      }
    }
  })

  it('no window of a limit sticks or opens, and no switch does', () => {
    for (const step of steps) {
      const clock = testClock()
      const rates = buckets({ clock, keysMax: 10 })
      const rate = { key: 'a', rpm: 60, burst: 5 }
      const table = switches({ clock })
      const query = {
        tenant: 'acme',
        session: 's',
        actor: 'agent:a',
        tool: 't',
        effect: 'read',
        scopes: [],
        jti: 'j1',
      } as const
      const order = { action: 'engage', id: 'sw', seq: 0, kind: 'token', target: 'j1', reason: 'test' } as const
      table.apply({ ...order, ttlMs: 60_000, atMs: clock.nowMs(), issuedBy: { kind: 'operator', name: 'o' } })
      for (let n = 0; n < 5; n++) rates.take(rate)
      clock.step(step)
      expect([rates.look(rate).waitMs, table.forbids(query)?.retryAfterMs], `${step}`).toEqual([1_000, 60_000])
      clock.advance(999)
      expect(rates.look(rate).waitMs).toBe(1)
      clock.advance(1)
      expect(rates.look(rate).waitMs).toBe(0)
      clock.step(-step)
      clock.advance(58_999)
      expect(table.forbids(query)).toBeDefined()
      clock.advance(1)
      expect(table.forbids(query)).toBeUndefined()
    }
  })

  it('the order of evidence is that of its numbers, and it verifies', async () => {
    using place = temporary()
    const random = seeded(seed + 2)
    const { clock, move } = disturbed(random)
    const log = await openTestLog({ directory: place.directory, clock })
    const receipts = []
    for (let n = 0; n < 200; n++) {
      receipts.push(await log.append(outcome(`call ${n}`)))
      if (n % 4 === 0) move()
    }
    await log.close()
    const records = (await recordsIn(nodeFiles(), place.directory)).filter(({ type }) => type === 'call.outcome')
    expect(records.map(({ req }) => req)).toEqual(receipts.map((_receipt, n) => `req-call ${n}`))
    expect(records.map(({ seq }) => seq)).toEqual(receipts.map(({ seq }) => seq))
    for (const [index, { tsMs, seq }] of records.entries()) {
      const before = records[index - 1]
      if (before?.stream !== records[index]?.stream) continue
      expect(seq).toBeGreaterThan(before?.seq ?? -1)
      expect(tsMs).toBeGreaterThanOrEqual(before?.tsMs ?? 0)
    }
    expect(records.some(({ wallMs, tsMs }) => wallMs < tsMs)).toBe(true)
    expect(await verifyDirectory(place.directory)).toMatchObject({ ok: true, problems: [] })
  })
})
