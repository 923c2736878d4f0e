import { z } from 'zod'
import type { Watch } from '../limits/rollout.ts'
import type { WatchStore } from '../ports/watch-store.ts'
import { batches } from './sqlite-batch.ts'
import { openStateDatabase } from './state-sqlite-schema.ts'

const Tally = z.strictObject({ requests: z.number().min(0), errors: z.number().min(0) })

const Kept: z.ZodType<Watch> = z.strictObject({
  id: z.string(),
  tenant: z.string(),
  region: z.string(),
  name: z.string(),
  env: z.string(),
  fromPct: z.number().min(0).max(100),
  toPct: z.number().min(0).max(100),
  before: Tally.exactOptional(),
  beganMs: z.int(),
  endsMs: z.int(),
  confirmed: z.boolean(),
  unreadable: z.int().min(0),
  rollingBack: z.enum(['spike', 'blind']).exactOptional(),
  attempts: z.int().min(0),
  call: z.strictObject({
    traceId: z.string(),
    spanId: z.string().exactOptional(),
    session: z.string(),
    actor: z.string(),
    req: z.string(),
  }),
})

/** Watches in the state file, in a table of their own. Throws one sentence when the file cannot be used. */
export function sqliteWatches({ file }: { readonly file: string }): WatchStore {
  const db = openStateDatabase(file)
  const write = batches(db)
  const put = db.prepare('INSERT OR REPLACE INTO watches (id, began_ms, watch) VALUES (?, ?, ?)')
  const remove = db.prepare('DELETE FROM watches WHERE id = ?')
  const all = db.prepare('SELECT watch FROM watches ORDER BY began_ms, id')
  return {
    save: (watch) => write(() => void put.run(watch.id, watch.beganMs, JSON.stringify(watch))),
    drop: (id) => write(() => void remove.run(id)),
    list: async () => all.all().map((row) => read(file, String(row['watch']))),
    close: async () => db.close(),
  }
}

/** Nobody can say which flag a damaged row is about, so nobody goes on without it. */
function read(file: string, text: string): Watch {
  try {
    return Kept.parse(JSON.parse(text))
  } catch (error) {
    throw new Error(
      `The state file ${file} holds a watched rollout that cannot be read. Restore it from a backup, or delete the table watches and check the flags.`,
      { cause: error },
    )
  }
}
