import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { sqliteState } from '../../src/adapters/state-sqlite.ts'
import { grantDesk } from '../../src/apps/grant-desk.ts'
import { grantStore } from '../../src/apps/grant-store.ts'
import { aReceipt } from './calls.ts'
import { aQuestion } from './grants.ts'

/*
 * A process in which many equal calls ask about few approvals that a person gives at once. What a call that passed would
 * do outside is one line in a file. It is killed, not stopped.
 */

const [, , directory = ''] = process.argv
const clock = systemClock()
const effects = join(directory, 'effects')
const desk = await grantDesk({
  store: grantStore(sqliteState({ file: join(directory, 'state.db') }), clock, () => undefined),
  log: { append: async () => aReceipt } as never,
  clock,
  id: () => `gr-${randomBytes(8).toString('hex')}`,
  rules: {
    scopes: () => undefined,
    denied: () => [],
    halted: () => undefined,
    ticket: async () => undefined,
    order: async () => undefined,
  },
  tame: (_tenant, text) => text,
  fault: () => undefined,
})
let passed = false

function done(id: string): void {
  appendFileSync(effects, `${id}\n`)
  if (!passed) process.send?.('passed')
  passed = true
}

async function caller(binding: string): Promise<void> {
  for (;;) {
    await turn()
    const answer = await desk.ask(aQuestion({ binding }))
    if (answer.kind === 'spent') done(answer.id)
    if (answer.kind === 'pending') await desk.approve(answer.id, { by: 'carla' }).catch(() => undefined)
  }
}

await Promise.all(Array.from({ length: 12 }, (_, n) => caller(`b-${n % 4}`)))
