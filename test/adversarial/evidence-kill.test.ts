import { expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { nodeFiles } from '../../src/adapters/files.ts'
import { leafHash } from '../../src/evidence/chain.ts'
import { canonicalize } from '../../src/evidence/canonical.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import { openTestLog, recordsIn, temporary } from '../support/evidence.ts'
import { verifyDirectory } from '../support/evidence-verified.ts'
import { killLoop } from '../support/kill-loop.ts'
import { seeded } from '../support/log-mutator.ts'

const kills = Number(process.env['SLUICEGATE_KILLS'] ?? 50)

it(`killed with SIGKILL ${kills} times under load, the log keeps every record it acknowledged and settles every intent once`, async () => {
  const seed = Number(process.env['SLUICEGATE_SEED'] ?? Date.now() % 1_000_000)
  process.stdout.write(`evidence-kill: SLUICEGATE_SEED=${seed}\n`)
  using place = temporary()
  const { directory } = place

  const acknowledged = await killLoop({ directory, kills, random: seeded(seed), withinMs: 60 })
  const log = await openTestLog({ directory, clock: systemClock() })
  await log.close()
  expect(log.recovery.problems).toEqual([])

  const records = await recordsIn(nodeFiles(), directory)
  const leaves = new Map(
    records.map((record) => [
      `${record.stream} ${record.seq}`,
      leafHash(Buffer.from(canonicalize(record as unknown as JsonObject))).toString('hex'),
    ]),
  )
  expect(acknowledged.length).toBeGreaterThanOrEqual(Math.floor(kills / 2))
  expect(acknowledged.filter(({ stream, seq, leaf }) => leaves.get(`${stream} ${seq}`) !== leaf)).toEqual([])

  const of = (...types: string[]) => records.filter(({ type }) => types.includes(type)).map(({ req = '' }) => req)
  expect(of('call.outcome', 'call.unknown').sort()).toEqual(of('call.intent').sort())
  expect(await verifyDirectory(directory)).toMatchObject({ exitCode: 0, problems: [] })
}, 600_000)
