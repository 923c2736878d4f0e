import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteState } from '../../adapters/state-sqlite.ts'
import { bad, fine, told, type Finding } from './finding.ts'

/** The state store: whole, and able to remember something. */
export async function stateFinding(data: string, nowMs: number): Promise<Finding> {
  const file = join(data, 'state.db')
  if (!existsSync(file)) return fine('no state yet: it is made at the first start')
  try {
    const verdict = integrity(file)
    if (verdict !== 'ok') return bad(`${file} is damaged: ${verdict}.`, restore)
    await roundTrip(file, nowMs)
    return fine(`${file} is whole and takes writes`)
  } catch (error) {
    return bad(`${file} cannot be used: ${told(error)}`, restore)
  }
}

const restore =
  'Restore it from a backup. Without it budgets, idempotency keys and tokens that were used begin anew: move it away only if that is acceptable.'

function integrity(file: string): string {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    return String(Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0])
  } finally {
    db.close()
  }
}

/** Remembers a key for a second, and asks for it. */
async function roundTrip(file: string, nowMs: number): Promise<void> {
  const state = sqliteState({ file })
  try {
    const [key, holder] = [`doctor ${randomUUID()}`, randomUUID()]
    await state.remember(key, holder, nowMs + 1_000, nowMs)
    const found = await state.remember(key, 'somebody else', nowMs, nowMs)
    if (found !== holder) throw new Error('what was written is not what is read')
  } finally {
    await state.close()
  }
}
