import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { Json } from '../../ports/json.ts'
import { problem, type Reply } from './route.ts'

const keptMs = 24 * 3_600_000
/** Most operations remembered; the oldest go first, long after any client has stopped retrying. */
const operationsMax = 100_000

export interface Operation {
  readonly tenant: string
  /** The caller's operation id. */
  readonly key: string
  /** Method, path and body, as they arrived. */
  readonly request: string
}

/**
 * Does an operation once. A repeat with the same request gets the first answer, marked `replayed`; another request under
 * the same id is refused. A refused operation changed nothing and may be tried again.
 */
export function once(
  store: DatabaseSync,
  operation: Operation,
  nowMs: number,
  run: () => Reply,
): Reply & { readonly replayed: boolean } {
  const digest = createHash('sha256').update(operation.request).digest('hex')
  store.prepare('delete from operations where atMs < ?').run(nowMs - keptMs)
  const found = store
    .prepare('select digest, status, answer from operations where tenant = ? and key = ?')
    .get(operation.tenant, operation.key)
  if (found) return repeat(found, digest)
  const reply = run()
  if (reply.status < 300) remember(store, operation, digest, reply, nowMs)
  return { ...reply, replayed: false }
}

function repeat(found: Readonly<Record<string, unknown>>, digest: string): Reply & { readonly replayed: boolean } {
  if (found['digest'] !== digest) {
    return { ...problem(409, 'operation_conflict', 'This operation id was used for another request.'), replayed: false }
  }
  return { status: Number(found['status']), body: JSON.parse(String(found['answer'])) as Json, replayed: true }
}

function remember(store: DatabaseSync, { tenant, key }: Operation, digest: string, reply: Reply, nowMs: number): void {
  store
    .prepare('insert into operations values (?, ?, ?, ?, ?, ?)')
    .run(tenant, key, digest, reply.status, JSON.stringify(reply.body), nowMs)
  store
    .prepare('delete from operations where atMs < (select atMs from operations order by atMs desc limit 1 offset ?)')
    .run(operationsMax)
}
