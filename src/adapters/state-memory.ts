import type { JsonObject } from '../ports/json.ts'
import { documentText, StateFull, type Claim, type Kept, type StateStore } from '../ports/state-store.ts'

export interface MemoryStateOptions {
  /** Most idempotency keys, spent accounts per day, remembered keys and documents, each; 100,000 unless given. */
  readonly entriesMax?: number
}

interface Claimed {
  readonly body: string
  readonly state: 'running' | 'done' | 'unknown'
  readonly answer?: JsonObject
  readonly expiresMs: number
}

/** As text, so that nobody who was given a document can change it here. */
interface StoredDocument extends Omit<Kept, 'document'> {
  readonly collection: string
  readonly text: string
}

/** Days that are kept: today, and what other clocks may still call today. */
const daysMax = 3

/** State that lives as long as the process. For tests and trying out: after a restart nothing is known of any key. */
export function memoryState(options: MemoryStateOptions = {}): StateStore {
  const entriesMax = options.entriesMax ?? 100_000
  const claims = new Map<string, Claimed>()
  const remembered = new Map<string, { readonly holder: string; readonly expiresMs: number }>()
  const days = new Map<string, Map<string, number>>()
  const documents = new Map<string, StoredDocument>()

  function change(key: string, next: (claim: Claimed) => Claimed): boolean {
    const claim = claims.get(key)
    if (claim?.state !== 'running') return false
    claims.set(key, next(claim))
    fullUntilMs.delete(claims)
    return true
  }

  return {
    async claim(key, bodyDigest, nowMs) {
      const found = claims.get(key)
      if (found && found.expiresMs > nowMs) return claimOf(found, bodyDigest)
      claims.delete(key)
      makeRoom(claims, nowMs, entriesMax, 'idempotency keys')
      claims.set(key, { body: bodyDigest, state: 'running', expiresMs: Infinity })
      return { kind: 'new' }
    },
    async settle(key, answer, expiresMs) {
      const kept = structuredClone(answer)
      if (!change(key, ({ body }) => ({ body, state: 'done', answer: kept, expiresMs }))) throw notClaimed()
    },
    async release(key) {
      if (claims.get(key)?.state === 'running') claims.delete(key)
    },
    async doubt(key) {
      change(key, (claim) => ({ ...claim, state: 'unknown' }))
    },
    async spend(account, day, microUsd) {
      const accounts = dayOf(days, day)
      if (!accounts.has(account) && accounts.size >= entriesMax) throw new StateFull('accounts', entriesMax)
      const total = Math.max(0, (accounts.get(account) ?? 0) + microUsd)
      accounts.set(account, total)
      return total
    },
    async spent(account, day) {
      return days.get(day)?.get(account) ?? 0
    },
    async remember(key, holder, expiresMs, nowMs) {
      const found = remembered.get(key)
      if (found && found.expiresMs > nowMs) return found.holder
      remembered.delete(key)
      if (expiresMs <= nowMs) return holder
      makeRoom(remembered, nowMs, entriesMax, 'remembered keys')
      remembered.set(key, { holder, expiresMs })
      return holder
    },
    async read(collection, id, nowMs) {
      const found = documents.get(nameOf(collection, id))
      return found && found.expiresMs > nowMs ? keptOf(found) : undefined
    },
    async write(collection, { id, document, expiresMs }, was, nowMs) {
      const name = nameOf(collection, id)
      const found = documents.get(name)
      if ((found && found.expiresMs > nowMs ? found.version : 0) !== was) return undefined
      if (!found) makeRoom(documents, nowMs, entriesMax, 'documents')
      const version = (found?.version ?? 0) + 1
      documents.set(name, { collection, id, version, expiresMs, text: documentText(document) })
      return version
    },
    async list(collection, nowMs) {
      const own = [...documents.values()].filter((one) => one.collection === collection && one.expiresMs > nowMs)
      return own.map(keptOf).toSorted((one, other) => (one.id < other.id ? -1 : 1))
    },
    async close() {},
  }
}

const nameOf = (collection: string, id: string): string => JSON.stringify([collection, id])

function keptOf({ id, version, text, expiresMs }: StoredDocument): Kept {
  return { id, version, document: JSON.parse(text) as JsonObject, expiresMs }
}

/** What a repeated claim is told. */
function claimOf({ body, state, answer }: Claimed, bodyDigest: string): Claim {
  if (body !== bodyDigest) return { kind: 'conflict' }
  return state === 'done' ? { kind: 'done', answer: structuredClone(answer ?? {}) } : { kind: state }
}

/** When a full map will have room, as far as its last look over told; a flood must not have it looked over each time. */
const fullUntilMs = new WeakMap<object, number>()

/** Drops what has expired when there is no room left. Refuses when nothing has. */
function makeRoom(map: Map<string, { readonly expiresMs: number }>, nowMs: number, max: number, what: string): void {
  if (map.size < max) return void fullUntilMs.delete(map)
  if (nowMs < (fullUntilMs.get(map) ?? nowMs)) throw new StateFull(what, max)
  let nextMs = Infinity
  for (const [key, { expiresMs }] of map)
    if (expiresMs <= nowMs) map.delete(key)
    else nextMs = Math.min(nextMs, expiresMs)
  if (map.size < max) return
  fullUntilMs.set(map, nextMs)
  throw new StateFull(what, max)
}

function dayOf(days: Map<string, Map<string, number>>, day: string): Map<string, number> {
  const accounts = days.get(day) ?? new Map<string, number>()
  days.set(day, accounts)
  if (days.size > daysMax) days.delete([...days.keys()].sort()[0] as string)
  return accounts
}

function notClaimed(): Error {
  return new Error('Only a key that is claimed and not yet settled can be settled.')
}
