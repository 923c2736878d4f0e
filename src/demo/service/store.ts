import { DatabaseSync } from 'node:sqlite'
import { contacts, orders } from './rows.ts'
import { branches, type Region } from './tenants.ts'

const schema = `
  create table orders (
    orderId text primary key, tenant text not null, day text not null, placedAt text not null, status text not null,
    name text not null, email text not null, phone text not null, country text not null, items integer not null,
    totalCents integer not null, currency text not null, cardToken text not null, cardLast4 text not null, note text not null
  ) strict, without rowid;
  create index ordersByDay on orders (tenant, day, orderId);
  create table contacts (
    contactId text primary key, tenant text not null, segment text not null, name text not null, email text not null,
    phone text not null, country text not null, status text not null, tier text not null, marketingOptIn integer not null
  ) strict, without rowid;
  create index contactsBySegment on contacts (tenant, segment);
  create table flags (
    tenant text not null, name text not null, env text not null, rolloutPct real not null, updatedAt text not null,
    primary key (tenant, name, env)
  ) strict, without rowid;
  create table tickets (
    ticket text primary key, tenant text not null, state text not null, principal text not null, tools text not null,
    expires text not null
  ) strict, without rowid;
  create table operations (
    tenant text not null, key text not null, digest text not null, status integer not null, answer text not null,
    atMs integer not null, primary key (tenant, key)
  ) strict, without rowid;
  create index operationsByAge on operations (atMs);
`

/** Flags every tenant starts with, in each environment. */
const flags = ['checkout_v2', 'new-search', 'dark-mode', 'express-delivery', 'loyalty-points']

/** Opens one region's database in memory and fills it: the same rows for the same seed. */
export function openStore(seed: string, region: Region, nowMs: number): DatabaseSync {
  const store = new DatabaseSync(':memory:')
  store.exec(schema)
  store.exec('begin')
  insert(store, 'orders', orders(seed, region))
  insert(
    store,
    'contacts',
    contacts(seed, region).map((row) => ({ ...row, marketingOptIn: Number(row.marketingOptIn) })),
  )
  insert(store, 'flags', flagRows(region, new Date(nowMs).toISOString()))
  store.exec('commit')
  return store
}

type Row = Readonly<Record<string, string | number>>

function insert(store: DatabaseSync, table: string, rows: readonly object[]): void {
  const columns = Object.keys(rows[0] ?? {})
  const statement = store.prepare(
    `insert into ${table} (${columns.join(', ')}) values (${columns.map((name) => `:${name}`).join(', ')})`,
  )
  for (const row of rows) statement.run(row as Row)
}

function flagRows(region: Region, updatedAt: string): readonly Row[] {
  return branches(region).flatMap(({ tenant }) =>
    flags.flatMap((name) => ['dev', 'staging', 'prod'].map((env) => ({ tenant, name, env, rolloutPct: 0, updatedAt }))),
  )
}
