import { randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { JsonObject } from '../ports/json.ts'
import { documentText, StateFull, type Claim, type Kept, type StateStore } from '../ports/state-store.ts'
import { isAlive, thisProcess } from './process-lock.ts'
import { batches } from './sqlite-batch.ts'
import { openStateDatabase } from './state-sqlite-schema.ts'

export interface SqliteStateOptions {
  /** The database file; created, readable by its owner only, when it is not there. */
  readonly file: string
  /** Most idempotency keys, remembered keys, documents and accounts with spending on a day, each; 1,000,000 unless given. */
  readonly entriesMax?: number
}

/** The tables, and what their rows are to a reader. */
const tables = {
  claims: 'idempotency keys',
  remembered: 'remembered keys',
  spending: 'accounts',
  documents: 'documents',
} as const

type Table = keyof typeof tables

interface ClaimRow {
  readonly body: string
  readonly state: 'running' | 'done' | 'unknown'
  readonly answer: string | null
  readonly owner: string
  readonly expires_ms: number
}

interface DocumentRow {
  readonly id: string
  readonly version: number
  readonly document: string
  readonly expires_ms: number
}

/** How long a key whose effect nobody knows stays blocked, milliseconds. */
const unknownKeptMs = 30 * 24 * 3600 * 1000
/** How many days of spending are kept. */
const daysKept = 40
/** Expired rows are dropped once in this many insertions. */
const sweepEvery = 1000

/**
 * State in one SQLite file, shared by any number of processes on one machine. Every promise is kept only once it would
 * survive a power cut (`synchronous=FULL`); writes asked for together are made durable together. A claim whose process
 * died answers `unknown`. Throws one sentence when the file cannot be used; rejects when the disk does not take a write.
 */
export function sqliteState(options: SqliteStateOptions): StateStore {
  const db = openStateDatabase(options.file)
  const entriesMax = options.entriesMax ?? 1_000_000
  const { pid, incarnation } = thisProcess()
  const owner = `${pid} ${incarnation} ${randomBytes(8).toString('hex')}`
  const write = batches(db)
  const sql = prepare(db)
  let inserted = 0

  /** Drops what is over before `until`, now and then and whenever there is no room. Refuses when that makes none. */
  function makeRoom(table: Table, until: number | string): void {
    const count = () => (sql.count.get(table) as { n: number }).n
    if (++inserted % sweepEvery === 0 || count() >= entriesMax) sql.sweep[table].run(until)
    if (count() >= entriesMax) throw new StateFull(tables[table], entriesMax)
  }

  function claim(key: string, bodyDigest: string, nowMs: number): Claim {
    const row = sql.findClaim.get(key) as ClaimRow | undefined
    if (row && row.expires_ms > nowMs) return claimOf(row, bodyDigest)
    if (row) sql.dropClaim.run(key)
    makeRoom('claims', nowMs)
    sql.addClaim.run(key, bodyDigest, owner, nowMs + unknownKeptMs)
    return { kind: 'new' }
  }

  function spend(account: string, day: string, microUsd: number): number {
    if (sql.spent.get(account, day) === undefined) makeRoom('spending', daysBefore(day, daysKept))
    return (sql.spend.get(account, day, microUsd, microUsd) as { total: number }).total
  }

  function remember(key: string, holder: string, expiresMs: number, nowMs: number): string {
    const row = sql.findRemembered.get(key) as { holder: string; expires_ms: number } | undefined
    if (row && row.expires_ms > nowMs) return row.holder
    if (row) sql.dropRemembered.run(key)
    makeRoom('remembered', nowMs)
    sql.addRemembered.run(key, holder, expiresMs)
    return holder
  }

  function put(collection: string, { id, document, expiresMs }: Omit<Kept, 'version'>, was: number, nowMs: number) {
    const row = sql.findDocument.get(collection, id) as DocumentRow | undefined
    if ((row && row.expires_ms > nowMs ? row.version : 0) !== was) return undefined
    const text = documentText(document)
    if (!row) makeRoom('documents', nowMs)
    const version = (row?.version ?? 0) + 1
    sql.putDocument.run(collection, id, version, text, expiresMs)
    return version
  }

  /** What is known without writing anything. */
  function remembered(key: string, nowMs: number): string | undefined {
    const row = sql.findRemembered.get(key) as { holder: string; expires_ms: number } | undefined
    return row && row.expires_ms > nowMs ? row.holder : undefined
  }

  return {
    claim: (key, bodyDigest, nowMs) => write(() => claim(key, bodyDigest, nowMs)),
    settle: (key, answer, expiresMs) =>
      write(() => settled(sql.settle.run(JSON.stringify(answer), expiresMs, key).changes)),
    release: (key) => write(() => void sql.release.run(key)),
    doubt: (key) => write(() => void sql.doubt.run(key)),
    spend: (account, day, microUsd) => write(() => spend(account, day, microUsd)),
    async spent(account, day) {
      return (sql.spent.get(account, day) as { total: number } | undefined)?.total ?? 0
    },
    async remember(key, holder, expiresMs, nowMs) {
      const known = remembered(key, nowMs)
      if (known !== undefined || expiresMs <= nowMs) return known ?? holder
      return write(() => remember(key, holder, expiresMs, nowMs))
    },
    async read(collection, id, nowMs) {
      const row = sql.findDocument.get(collection, id) as DocumentRow | undefined
      return row && row.expires_ms > nowMs ? keptOf(row) : undefined
    },
    write: (collection, next, was, nowMs) => write(() => put(collection, next, was, nowMs)),
    async list(collection, nowMs) {
      return (sql.listDocuments.all(collection, nowMs) as unknown as readonly DocumentRow[]).map(keptOf)
    },
    async close() {
      await write(() => void sql.abandon.run(owner))
      db.close()
    },
  }
}

/** Statements, parsed once. Only a running claim can be settled, released or doubted. */
function prepare(db: DatabaseSync) {
  return {
    count: db.prepare('SELECT n FROM counts WHERE name = ?'),
    sweep: {
      claims: db.prepare('DELETE FROM claims WHERE expires_ms <= ?'),
      remembered: db.prepare('DELETE FROM remembered WHERE expires_ms <= ?'),
      spending: db.prepare('DELETE FROM spending WHERE day <= ?'),
      documents: db.prepare('DELETE FROM documents WHERE expires_ms <= ?'),
    },
    findClaim: db.prepare('SELECT body, state, answer, owner, expires_ms FROM claims WHERE key = ?'),
    dropClaim: db.prepare('DELETE FROM claims WHERE key = ?'),
    addClaim: db.prepare("INSERT INTO claims (key, body, state, owner, expires_ms) VALUES (?, ?, 'running', ?, ?)"),
    settle: db.prepare(
      "UPDATE claims SET state = 'done', answer = ?, expires_ms = ? WHERE key = ? AND state = 'running'",
    ),
    release: db.prepare("DELETE FROM claims WHERE key = ? AND state = 'running'"),
    doubt: db.prepare("UPDATE claims SET state = 'unknown' WHERE key = ? AND state = 'running'"),
    abandon: db.prepare("UPDATE claims SET state = 'unknown' WHERE owner = ? AND state = 'running'"),
    spend: db.prepare(
      `INSERT INTO spending (account, day, total) VALUES (?, ?, max(0, ?))
       ON CONFLICT (day, account) DO UPDATE SET total = max(0, total + ?) RETURNING total`,
    ),
    spent: db.prepare('SELECT total FROM spending WHERE account = ? AND day = ?'),
    findRemembered: db.prepare('SELECT holder, expires_ms FROM remembered WHERE key = ?'),
    dropRemembered: db.prepare('DELETE FROM remembered WHERE key = ?'),
    findDocument: db.prepare('SELECT id, version, document, expires_ms FROM documents WHERE collection = ? AND id = ?'),
    putDocument: db.prepare(
      `INSERT INTO documents (collection, id, version, document, expires_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (collection, id) DO UPDATE SET version = excluded.version, document = excluded.document,
         expires_ms = excluded.expires_ms`,
    ),
    listDocuments: db.prepare(
      'SELECT id, version, document, expires_ms FROM documents WHERE collection = ? AND expires_ms > ? ORDER BY id',
    ),
    addRemembered: db.prepare('INSERT INTO remembered (key, holder, expires_ms) VALUES (?, ?, ?)'),
  }
}

/** What a repeated claim is told. The same key may be under work in another process, but only while that process lives. */
function claimOf({ body, state, answer, owner }: ClaimRow, bodyDigest: string): Claim {
  if (body !== bodyDigest) return { kind: 'conflict' }
  if (state === 'done') return { kind: 'done', answer: JSON.parse(answer ?? '{}') as JsonObject }
  return { kind: state === 'running' && ownerLives(owner) ? 'running' : 'unknown' }
}

function keptOf({ id, version, document, expires_ms: expiresMs }: DocumentRow): Kept {
  return { id, version, document: JSON.parse(document) as JsonObject, expiresMs }
}

function ownerLives(owner: string): boolean {
  const [pid, incarnation] = owner.split(' ')
  return isAlive({ pid: Number(pid), incarnation: incarnation ?? '' })
}

function settled(changes: number | bigint): void {
  if (changes !== 1) throw new Error('Only a key that is claimed and not yet settled can be settled.')
}

function daysBefore(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) - count * 24 * 3600 * 1000).toISOString().slice(0, 10)
}
