import { GrantRequest } from '../control/request.ts'
import type { Clock } from '../ports/clock.ts'
import type { JsonObject } from '../ports/json.ts'
import type { StateStore } from '../ports/state-store.ts'

/** A request and the version it was read at. */
export interface StoredRequest {
  readonly request: GrantRequest
  readonly version: number
}

/** Requests in the state store. What cannot be read back counts as absent, and is reported: it gives nothing to anybody. */
export interface GrantStore {
  find(id: string): Promise<StoredRequest | undefined>
  all(): Promise<readonly StoredRequest[]>
  /** Undefined when the request was changed since version `was`, 0 for one that is new. */
  put(request: GrantRequest, was: number): Promise<StoredRequest | undefined>
  /** The latest wall time that was noted, over all processes before this one. */
  seenMs(): Promise<number>
  /** Notes the wall time, so that a clock set back over a restart makes nothing last longer. */
  noteTime(): Promise<void>
}

const dayMs = 24 * 3_600_000
/** How long a request stays readable once it is over: undecided ones are many and tell little. */
const keptMs = { undecided: dayMs, decided: 30 * dayMs }

export function grantStore(state: StateStore, clock: Clock, fault: (error: unknown) => void): GrantStore {
  const read = (id: string, version: number, document: JsonObject): StoredRequest | undefined => {
    const parsed = GrantRequest.safeParse(document)
    if (parsed.success) return { request: parsed.data, version }
    fault(new Error(`The request ${id} in the state store cannot be read: ${parsed.error.issues[0]?.message}.`))
    return undefined
  }
  return {
    async find(id) {
      const found = await state.read('grants', id, clock.nowMs())
      return found && read(id, found.version, found.document)
    },
    async all() {
      const kept = await state.list('grants', clock.nowMs())
      return kept.flatMap(({ id, version, document }) => read(id, version, document) ?? [])
    },
    async put(request, was) {
      const document = request as unknown as JsonObject
      const next = { id: request.id, document, expiresMs: keptUntil(request) }
      const version = await state.write('grants', next, was, clock.nowMs())
      return version === undefined ? undefined : { request, version }
    },
    seenMs: async () => timeIn((await state.read('grant-clock', 'seen', 0))?.document),
    async noteTime() {
      const nowMs = clock.nowMs()
      const before = await state.read('grant-clock', 'seen', 0)
      if (timeIn(before?.document) >= nowMs) return
      const next = { id: 'seen', document: { seenMs: nowMs }, expiresMs: Number.MAX_SAFE_INTEGER }
      await state.write('grant-clock', next, before?.version ?? 0, 0)
    },
  }
}

function keptUntil({ decidedMs, endsMs, pendingUntilMs }: GrantRequest): number {
  return (endsMs ?? pendingUntilMs) + (decidedMs === undefined ? keptMs.undecided : keptMs.decided)
}

function timeIn(document: JsonObject | undefined): number {
  const seenMs = document?.['seenMs']
  return typeof seenMs === 'number' && Number.isSafeInteger(seenMs) ? seenMs : 0
}
