import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { sqliteState } from '../../src/adapters/state-sqlite.ts'
import { memoryWatches } from '../../src/adapters/watches-memory.ts'
import { sqliteWatches } from '../../src/adapters/watches-sqlite.ts'
import type { Watch } from '../../src/limits/rollout.ts'
import type { WatchStore } from '../../src/ports/watch-store.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluicegate-watches-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const newFile = () => path.join(folder, `state-${(files += 1)}.db`)

const adapters: Readonly<Record<string, () => WatchStore>> = {
  memory: memoryWatches,
  sqlite: () => sqliteWatches({ file: newFile() }),
}

const watch = (id: string, beganMs: number, more: Partial<Watch> = {}): Watch => ({
  id,
  tenant: 'acme',
  region: 'us-east',
  name: 'search',
  env: 'prod',
  fromPct: 10,
  toPct: 12.5,
  before: { requests: 100, errors: 1 },
  beganMs,
  endsMs: beganMs + 1_000,
  confirmed: false,
  unreadable: 0,
  attempts: 0,
  call: { traceId: 'a'.repeat(32), session: 's', actor: 'agent:test', req: 'r' },
  ...more,
})

describe.each(Object.entries(adapters))('WatchStore: %s', (_name, open) => {
  it('gives back what was saved and not dropped, oldest first, each in its last form', async () => {
    const store = open()
    await Promise.all([store.save(watch('b', 2)), store.save(watch('a', 1)), store.save(watch('c', 3))])
    await store.save(watch('b', 2, { confirmed: true, rollingBack: 'spike', attempts: 3 }))
    await store.drop('c')
    await store.drop('never there')
    const rolling = watch('b', 2, { confirmed: true, rollingBack: 'spike', attempts: 3 })
    expect(await store.list()).toEqual([watch('a', 1), rolling])
    await store.close()
  })
})

/** Somebody else's hand in the file. */
function changed(file: string, sql: string): void {
  const db = new DatabaseSync(file)
  db.exec(sql)
  db.close()
}

describe('watches in the state file', () => {
  it('are there for the next process, beside the state that others keep in the file', async () => {
    const file = newFile()
    const [store, state] = [sqliteWatches({ file }), sqliteState({ file })]
    await Promise.all([store.save(watch('a', 1)), state.claim('key', 'body', 0)])
    await Promise.all([store.close(), state.close()])
    const next = sqliteWatches({ file })
    expect(await next.list()).toEqual([watch('a', 1)])
    await next.close()
  })

  it.each([
    ['first', "DROP TABLE watches; DROP TABLE documents; DELETE FROM counts WHERE name = 'documents'"],
    ['second', 'DROP TABLE watches'],
  ])('have a table in a file of the %s release, which keeps what it holds', async (release, older) => {
    const file = newFile()
    const before = sqliteState({ file })
    await before.claim('key', 'body', 0)
    await before.settle('key', { n: 1 }, 1_000)
    await before.close()
    const version = release === 'first' ? 1 : 2
    changed(file, `${older}; PRAGMA user_version = ${version}`)
    const [store, state] = [sqliteWatches({ file }), sqliteState({ file })]
    await store.save(watch('a', 1))
    expect(await store.list()).toEqual([watch('a', 1)])
    expect(await state.claim('key', 'body', 1)).toEqual({ kind: 'done', answer: { n: 1 } })
    await Promise.all([store.close(), state.close()])
  })

  it('are there after an update from a release that kept them beside the schema', async () => {
    const file = newFile()
    await sqliteState({ file }).close()
    changed(
      file,
      `DROP TABLE watches; PRAGMA user_version = 2;
       CREATE TABLE watches (id TEXT PRIMARY KEY, began_ms INTEGER NOT NULL, watch TEXT NOT NULL) STRICT, WITHOUT ROWID;
       INSERT INTO watches VALUES ('a', 1, '${JSON.stringify(watch('a', 1))}')`,
    )
    const store = sqliteWatches({ file })
    expect(await store.list()).toEqual([watch('a', 1)])
    await store.close()
    const db = new DatabaseSync(file)
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 3 })
    db.close()
  })

  it('are refused when somebody wrote what is no watch: nobody can say which flag is not watched any more', async () => {
    const file = newFile()
    const store = sqliteWatches({ file })
    await store.save(watch('a', 1))
    await store.close()
    changed(file, `UPDATE watches SET watch = '{"id":"a"}'`)
    const next = sqliteWatches({ file })
    await expect(next.list()).rejects.toThrow(`${file} holds a watched rollout that cannot be read`)
    await next.close()
  })
})
