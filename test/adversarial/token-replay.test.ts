import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { memoryState } from '../../src/adapters/state-memory.ts'
import { replay, type ReplayMode } from '../../src/identity/replay.ts'
import { steadyTime } from '../../src/identity/steady.ts'
import { testClock } from '../support/clock.ts'
import { goodClaims, goodHeader, mint, signed } from '../support/tokens.ts'
import type { Begin } from '../support/replay-child.ts'

const tokensMax = Number(process.env['SLUICEGATE_REPLAYS'] ?? 500)
const atOnce = 50

const children: ChildProcess[] = []
const folders: string[] = []
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => (child.kill(), once(child, 'exit'))))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Three processes over one state file; each says what became of the tokens it is shown. */
function replicas(mode: ReplayMode) {
  const own = mint()
  const folder = mkdtempSync(join(tmpdir(), 'sluicegate-replay-'))
  folders.push(folder)
  const publicKey = own.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const begin: Begin = { file: join(folder, 'state.db'), publicKey, mode }
  const replica = () => {
    const child = fork(new URL('../support/replay-child.ts', import.meta.url))
    children.push(child)
    child.send(begin)
    return async (tokens: readonly string[]): Promise<readonly string[]> => {
      const ended = once(child, 'message')
      child.send(tokens)
      return ((await ended) as [readonly string[]])[0]
    }
  }
  const clock = testClock(Date.now())
  const token = (jti: string) => signed(own, goodHeader(own), { ...goodClaims(clock), jti })
  return { shows: [replica(), replica(), replica()], token }
}

describe('a token shown again, to any of three gateways on one state', () => {
  it.each(['bound', 'strict'] as const)(
    `is refused every time of ${tokensMax}: %s`,
    { timeout: 600_000 },
    async (mode) => {
      const { shows, token } = replicas(mode)
      const counts = { ok: 0, token_replayed: 0 }
      const wrong: string[] = []
      for (let from = 0; from < tokensMax; from += atOnce) {
        const tokens = Array.from({ length: atOnce }, (_, index) => token(`${mode}-${from + index}`))
        const ended = await Promise.all(shows.map((show) => show(tokens)))
        for (const [index] of tokens.entries()) {
          const each = ended.map((all) => all[index] as keyof typeof counts)
          for (const one of each) counts[one] += 1
          if (each.filter((one) => one === 'ok').length !== 1) wrong.push(`${from + index}: ${each.join()}`)
        }
      }
      expect(wrong).toEqual([])
      expect(counts).toEqual({ ok: tokensMax, token_replayed: 2 * tokensMax })
    },
  )
})

describe('a flood of 200,000 names that are alive', () => {
  it('is held to a bound, and forgets none of those it took', async () => {
    const clock = testClock()
    const take = replay({ state: memoryState({ entriesMax: 100_000 }), time: steadyTime(clock), mode: 'bound' })
    const claims = (jti: string) => ({
      issuer: 'i',
      subject: 's',
      tenant: 't',
      scopes: [],
      selfIssued: false,
      ttlSec: 600,
      jti,
      notBeforeMs: clock.nowMs(),
      expMs: clock.nowMs() + 600_000,
    })
    const first = claims('first')
    await take(first, { kind: 'session', id: 'owner' })
    const counts = { taken: 0, replayed: 0, unknown: 0 }
    for (let n = 0; n < 200_000; n++) {
      counts[(await take(claims(`flood-${n}`), { kind: 'session', id: 'flood' })).kind] += 1
      if (n % 20_000 === 0) clock.advance(1_000)
    }
    expect(counts).toEqual({ taken: 99_999, replayed: 0, unknown: 100_001 })
    for (const jti of ['first', 'flood-0', 'flood-50000', 'flood-99998'])
      expect((await take(claims(jti), { kind: 'session', id: 'thief' })).kind).toBe('replayed')
    expect((await take(first, { kind: 'session', id: 'owner' })).kind).toBe('taken')
  })
})
