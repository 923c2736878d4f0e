import { fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'

const kills = Number(process.env['SLUICEGATE_KILLS'] ?? 25)
const seed = Number(process.env['SLUICEGATE_SEED'] ?? randomInt(2 ** 31))
const child = resolve(import.meta.dirname, '../support/approval-child.ts')

/** Numbers in [0, 1) that a seed decides (mulberry32). */
function random(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    const mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    const more = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((more ^ (more >>> 14)) >>> 0) / 2 ** 32
  }
}

async function killedOnce(directory: string, afterMs: number): Promise<void> {
  const process = fork(child, [directory], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(process, 'exit')
  let told = 0
  process.on('message', () => (told += 1))
  // Ready, and then one call has passed, however slow the machine is. Both may be heard of in one moment.
  await until(() => told >= 2 || process.exitCode !== null, 'a call to pass')
  await wait(afterMs)
  process.kill('SIGKILL')
  await exited
}

describe('Killed at any moment, an approval lets no call pass twice', () => {
  it(
    `holds over ${kills} SIGKILLs (seed ${seed})`,
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'sluicegate-approval-kill-'))
      const next = random(seed)
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
    60_000 + kills * 5_000,
  )
})
