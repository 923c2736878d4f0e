import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { memoryState } from '../../src/adapters/state-memory.ts'
import { sqliteState } from '../../src/adapters/state-sqlite.ts'
import { StateFull, type StateStore } from '../../src/ports/state-store.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluicegate-state-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const newFile = () => path.join(folder, `state-${(files += 1)}.db`)

const adapters: Readonly<Record<string, (entriesMax?: number) => StateStore>> = {
  memory: (entriesMax) => memoryState({ ...(entriesMax !== undefined && { entriesMax }) }),
  sqlite: (entriesMax) => sqliteState({ file: newFile(), ...(entriesMax !== undefined && { entriesMax }) }),
}

const day = '2026-11-20'

describe.each(Object.entries(adapters))('StateStore: %s', (_name, open) => {
  it('answers new to exactly one of 1,000 claims at once', async () => {
    const state = open()
    const claims = await Promise.all(Array.from({ length: 1000 }, () => state.claim('k', 'body', 0)))
    expect(claims.filter(({ kind }) => kind === 'new')).toHaveLength(1)
    expect(claims.filter(({ kind }) => kind === 'running')).toHaveLength(999)
    await state.close()
  })

  it('repeats the answer of a settled claim, as it was given', async () => {
    const state = open()
    const answer = { text: 'done', rows: [{ a: 1 }] }
    await state.claim('k', 'body', 0)
    await state.settle('k', answer, 1000)
    expect(await state.claim('k', 'body', 999)).toEqual({ kind: 'done', answer })
    await state.close()
  })

  it('refuses another body under the same key, whatever became of the first', async () => {
    const state = open()
    await state.claim('k', 'body', 0)
    expect(await state.claim('k', 'other', 1)).toEqual({ kind: 'conflict' })
    await state.settle('k', {}, 1000)
    expect(await state.claim('k', 'other', 1)).toEqual({ kind: 'conflict' })
    await state.claim('d', 'body', 0)
    await state.doubt('d')
    expect(await state.claim('d', 'other', 1)).toEqual({ kind: 'conflict' })
    await state.close()
  })

  it('forgets an answer when it expires, and a key when it is given back', async () => {
    const state = open()
    await state.claim('k', 'body', 0)
    await state.settle('k', {}, 1000)
    expect(await state.claim('k', 'other', 1000)).toEqual({ kind: 'new' })
    await state.release('k')
    expect(await state.claim('k', 'third', 1001)).toEqual({ kind: 'new' })
    await state.close()
  })

  it('keeps a doubted key blocked, and lets nobody settle or give it back', async () => {
    const state = open()
    await state.claim('k', 'body', 0)
    await state.doubt('k')
    await expect(state.settle('k', {}, 1000)).rejects.toThrow(/claimed/)
    await state.release('k')
    expect(await state.claim('k', 'body', 2)).toEqual({ kind: 'unknown' })
    await state.close()
  })

  it('settles only what is claimed, and once', async () => {
    const state = open()
    await expect(state.settle('k', {}, 1000)).rejects.toThrow(/claimed/)
    await state.claim('k', 'body', 0)
    await state.settle('k', { first: true }, 1000)
    await expect(state.settle('k', { first: false }, 1000)).rejects.toThrow(/claimed/)
    await state.release('k')
    expect(await state.claim('k', 'body', 1)).toEqual({ kind: 'done', answer: { first: true } })
    await state.close()
  })

  it('keeps keys apart', async () => {
    const state = open()
    await state.claim('acme/flag.set/1', 'body', 0)
    expect(await state.claim('globex/flag.set/1', 'body', 0)).toEqual({ kind: 'new' })
    await state.close()
  })

  it('adds up what is spent, at once from everywhere, by account and day', async () => {
    const state = open()
    const totals = await Promise.all(Array.from({ length: 200 }, () => state.spend('a', day, 5)))
    expect(Math.max(...totals)).toBe(1000)
    expect(new Set(totals).size).toBe(200)
    expect(await state.spent('a', day)).toBe(1000)
    expect(await state.spent('b', day)).toBe(0)
    expect(await state.spent('a', '2026-11-21')).toBe(0)
    await state.close()
  })

  it('gives money back, never below nothing', async () => {
    const state = open()
    await state.spend('a', day, 10)
    expect(await state.spend('a', day, -4)).toBe(6)
    expect(await state.spend('a', day, -40)).toBe(0)
    await state.close()
  })

  it('remembers the first holder until it expires', async () => {
    const state = open()
    const holders = await Promise.all(['one', 'two', 'three'].map((holder) => state.remember('k', holder, 100, 0)))
    expect(holders).toEqual(['one', 'one', 'one'])
    expect(await state.remember('k', 'four', 500, 99)).toBe('one')
    expect(await state.remember('k', 'four', 500, 100)).toBe('four')
    await state.close()
  })

  it('only asks when there is nothing to remember', async () => {
    const state = open()
    expect(await state.remember('k', 'asking', 0, 0)).toBe('asking')
    expect(await state.remember('k', 'real', 100, 0)).toBe('real')
    expect(await state.remember('k', 'asking', 0, 0)).toBe('real')
    await state.close()
  })

  it('refuses when it is full, and forgets nothing that is alive', async () => {
    const state = open(3)
    for (const key of ['a', 'b', 'c']) {
      await state.remember(key, 'first', 100, 0)
      await state.claim(key, 'body', 0)
      await state.spend(key, day, 1)
    }
    await expect(state.remember('d', 'late', 200, 50)).rejects.toThrow(StateFull)
    await expect(state.claim('d', 'body', 50)).rejects.toThrow(StateFull)
    await expect(state.spend('d', day, 1)).rejects.toThrow(StateFull)
    expect(await state.remember('a', 'late', 200, 50)).toBe('first')
    expect(await state.claim('a', 'body', 50)).toEqual({ kind: 'running' })
    expect(await state.spend('a', day, 1)).toBe(2)
    await state.close()
  })

  it('takes new entries again when old ones have expired', async () => {
    const state = open(2)
    for (const key of ['a', 'b']) {
      await state.remember(key, 'first', 100, 0)
      await state.claim(key, 'body', 0)
      await state.settle(key, {}, 100)
    }
    expect(await state.remember('c', 'late', 200, 100)).toBe('late')
    expect(await state.claim('c', 'body', 100)).toEqual({ kind: 'new' })
    await state.close()
  })
})

describe.each(Object.entries(adapters))('StateStore documents: %s', (_name, open) => {
  const doc = (document: { [key: string]: number }, expiresMs = 1000, id = 'd') => ({ id, document, expiresMs })

  it('takes exactly one of 200 writes over the same version', async () => {
    const state = open()
    const first = await Promise.all(Array.from({ length: 200 }, (_, n) => state.write('c', doc({ n }), 0, 0)))
    expect(first.filter((version) => version !== undefined)).toEqual([1])
    const second = await Promise.all(Array.from({ length: 200 }, (_, n) => state.write('c', doc({ n }), 1, 0)))
    expect(second.filter((version) => version !== undefined)).toEqual([2])
    await state.close()
  })

  it('changes nothing when the version is another one', async () => {
    const state = open()
    await state.write('c', doc({ n: 1 }), 0, 0)
    for (const was of [0, 2, -1]) expect(await state.write('c', doc({ n: 9 }), was, 0)).toBeUndefined()
    expect(await state.read('c', 'd', 0)).toEqual({ ...doc({ n: 1 }), version: 1 })
    await state.close()
  })

  it('takes what has expired for absent, and goes on counting its versions', async () => {
    const state = open()
    await state.write('c', doc({ n: 1 }, 100), 0, 0)
    expect(await state.read('c', 'd', 100)).toBeUndefined()
    expect(await state.list('c', 100)).toEqual([])
    expect(await state.write('c', doc({ n: 2 }, 500), 1, 100)).toBeUndefined()
    expect(await state.write('c', doc({ n: 2 }, 500), 0, 100)).toBe(2)
    await state.close()
  })

  it('keeps collections and names apart, and lists each in order', async () => {
    const state = open()
    for (const id of ['b', 'a']) await state.write('c', doc({ n: 1 }, 1000, id), 0, 0)
    await state.write('other', doc({ n: 2 }, 1000, 'a'), 0, 0)
    expect((await state.list('c', 0)).map(({ id }) => id)).toEqual(['a', 'b'])
    expect((await state.read('other', 'a', 0))?.document).toEqual({ n: 2 })
    expect(await state.read('constructor', 'a', 0)).toBeUndefined()
    await state.close()
  })

  it('gives copies: what a reader does to a document changes nothing', async () => {
    const state = open()
    const mine = { n: 1 }
    await state.write('c', doc(mine), 0, 0)
    mine.n = 2
    const read = await state.read('c', 'd', 0)
    Object.assign(read?.document ?? {}, { n: 3 })
    expect((await state.read('c', 'd', 0))?.document).toEqual({ n: 1 })
    await state.close()
  })

  it('refuses when it is full, and takes new ones again when old ones have expired', async () => {
    const state = open(2)
    for (const id of ['a', 'b']) await state.write('c', doc({ n: 1 }, 100, id), 0, 0)
    await expect(state.write('c', doc({ n: 1 }, 100, 'x'), 0, 50)).rejects.toThrow(StateFull)
    expect(await state.write('c', doc({ n: 2 }, 100, 'a'), 1, 50)).toBe(2)
    expect(await state.write('c', doc({ n: 1 }, 900, 'x'), 0, 100)).toBe(1)
    await state.close()
  })

  it('refuses a document that is too long', async () => {
    const state = open()
    const document = { text: 'x'.repeat(300_000) } as never
    await expect(state.write('c', doc(document), 0, 0)).rejects.toThrow(/too long to keep/)
    expect(await state.read('c', 'd', 0)).toBeUndefined()
    await state.close()
  })
})

describe('the sqlite state', () => {
  it('keeps documents across a restart, and shares them with other users of the file', async () => {
    const file = newFile()
    const [one, two] = [sqliteState({ file }), sqliteState({ file })]
    const next = (n: number) => ({ id: 'd', document: { n }, expiresMs: 1000 })
    await one.write('c', next(1), 0, 0)
    const taken = await Promise.all([one.write('c', next(2), 1, 0), two.write('c', next(3), 1, 0)])
    expect(taken.filter((version) => version !== undefined)).toEqual([2])
    await one.close()
    await two.close()
    const after = sqliteState({ file })
    expect((await after.read('c', 'd', 0))?.version).toBe(2)
    await after.close()
  })

  it('brings a file of the first release up to date, and keeps what it holds', async () => {
    const file = newFile()
    const before = sqliteState({ file })
    await before.spend('a', day, 7)
    await before.close()
    const database = new DatabaseSync(file)
    database.exec(
      "DROP TABLE watches; DROP TABLE documents; DELETE FROM counts WHERE name = 'documents'; PRAGMA user_version = 1",
    )
    database.close()
    const after = sqliteState({ file })
    expect(await after.write('c', { id: 'd', document: {}, expiresMs: 10 }, 0, 0)).toBe(1)
    expect(await after.spent('a', day)).toBe(7)
    await after.close()
  })

  it('keeps everything across a restart, and takes what was never settled for unknown', async () => {
    const file = newFile()
    const before = sqliteState({ file })
    await before.claim('settled', 'body', 0)
    await before.settle('settled', { n: 1 }, 1000)
    await before.claim('cut off', 'body', 0)
    await before.spend('a', day, 7)
    await before.remember('k', 'one', 1000, 0)
    await before.close()

    const after = sqliteState({ file })
    expect(await after.claim('settled', 'body', 1)).toEqual({ kind: 'done', answer: { n: 1 } })
    expect(await after.claim('cut off', 'body', 1)).toEqual({ kind: 'unknown' })
    expect(await after.spent('a', day)).toBe(7)
    expect(await after.remember('k', 'two', 1000, 1)).toBe('one')
    await after.close()
  })

  it('takes a claim of a killed process for unknown', async () => {
    const file = newFile()
    const module = path.resolve(import.meta.dirname, '../../src/adapters/state-sqlite.ts')
    const script = `
      import { sqliteState } from ${JSON.stringify(module)}
      const state = sqliteState({ file: ${JSON.stringify(file)} })
      await state.claim('cut off', 'body', 0)
      await state.spend('a', '${day}', 3)
      process.kill(process.pid, 'SIGKILL')`
    const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script])
    expect(signal).toBe('SIGKILL')
    const state = sqliteState({ file })
    expect(await state.claim('cut off', 'body', 1)).toEqual({ kind: 'unknown' })
    expect(await state.spent('a', day)).toBe(3)
    await state.close()
  })

  it('shares claims and money with other users of the file', async () => {
    const file = newFile()
    const [one, two] = [sqliteState({ file }), sqliteState({ file })]
    expect(await one.claim('k', 'body', 0)).toEqual({ kind: 'new' })
    expect(await two.claim('k', 'body', 0)).toEqual({ kind: 'running' })
    await one.settle('k', { n: 1 }, 1000)
    expect(await two.claim('k', 'body', 1)).toEqual({ kind: 'done', answer: { n: 1 } })
    await Promise.all([one.spend('a', day, 1), two.spend('a', day, 2)])
    expect(await two.spent('a', day)).toBe(3)
    await one.close()
    await two.close()
  })

  it('refuses one piece of work without harming those it shares a transaction with', async () => {
    const state = sqliteState({ file: newFile() })
    const [claimed, settled, spent] = await Promise.allSettled([
      state.claim('k', 'body', 0),
      state.settle('nobody claimed this', {}, 10),
      state.spend('a', day, 1),
    ])
    expect([claimed.status, settled.status, spent.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await state.spent('a', day)).toBe(1)
    await state.close()
  })

  it('keeps its file from other users of the machine', async () => {
    const file = newFile()
    const state = sqliteState({ file })
    await state.spend('a', day, 1)
    expect(statSync(file).mode & 0o077).toBe(0)
    expect(statSync(`${file}-wal`).mode & 0o077).toBe(0)
    await state.close()
  })

  it('refuses a file that is no database or from a newer release, in one sentence', () => {
    const [garbage, newer] = [newFile(), newFile()]
    writeFileSync(
      garbage,
      'this is not a database, and it is long enough to be told apart from an empty one'.repeat(20),
    )
    expect(() => sqliteState({ file: garbage })).toThrow(/cannot be used: file is not a database/)
    const database = new DatabaseSync(newer)
    database.exec('PRAGMA user_version = 99')
    database.close()
    expect(() => sqliteState({ file: newer })).toThrow(/newer release/)
  })
})
