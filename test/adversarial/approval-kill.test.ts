import { fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { seeded } from '../support/log-mutator.ts'

const kills = Number(process.env['SLUICEGATE_KILLS'] ?? 25)
const seed = Number(process.env['SLUICEGATE_SEED'] ?? randomInt(2 ** 31))
const child = resolve(import.meta.dirname, '../support/approval-child.ts')

async function killedOnce(directory: string, afterMs: number): Promise<void> {
  const process = fork(child, [directory], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(process, 'exit')
  // One call has passed by then, however slow the machine is.
  await once(process, 'message')
  await wait(afterMs)
  process.kill('SIGKILL')
  await exited
}

describe('Killed at any moment, an approval lets no call pass twice', () => {
  it(
    `holds over ${kills} SIGKILLs (seed ${seed})`,
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'sluicegate-approval-kill-'))
      const next = seeded(seed)
      try {
        for (let n = 0; n < kills; n += 1) await killedOnce(directory, 20 + next() * 180)
        const effects = join(directory, 'effects')
        const used = existsSync(effects) ? readFileSync(effects, 'utf8').trim().split('\n') : []
        expect(used.length).toBeGreaterThanOrEqual(kills)
        expect(used.filter((id, at) => used.indexOf(id) !== at)).toEqual([])
      } finally {
        rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
      }
    },
    60_000 + kills * 20_000,
  )
})
