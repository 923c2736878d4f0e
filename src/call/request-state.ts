import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Clock } from '../ports/clock.ts'
import type { StateStore } from '../ports/state-store.ts'
import type { Identified, Received } from './call.ts'

type Caller = Pick<Received & Identified, 'id' | 'who' | 'resumes'>

/**
 * The `requestState` of MCP 2026-07-28: what a client sends back when it repeats a call that waited for a person. It
 * passes through the client, so it is worth nothing by itself: it is authenticated, bound to who calls and to the exact
 * call, runs out, and is taken once.
 */
export interface RequestStates {
  mint(call: Caller, binding: string, request: string): string
  /** Why the state that came with a call does not belong to it, in a sentence; undefined when it does, or when none came. */
  refusal(call: Caller, binding: string): Promise<string | undefined>
}

export interface RequestStateParts {
  readonly key: KeyObject
  readonly clock: Clock
  readonly state: StateStore
}

/** As long as a request waits, milliseconds. */
const livesMs = 3_600_000
const form = /^v1\.([A-Za-z0-9-]{1,64})\.(\d{1,16})\.([\w-]{1,64})\.([\w-]{43})$/
const stray =
  'The requestState does not belong to this call. Send it once, unchanged, with the same arguments, or leave it out.'

export function requestStates({ key, clock, state }: RequestStateParts): RequestStates {
  const sign = (parts: readonly string[]): string =>
    createHmac('sha256', key).update(JSON.stringify(['request-state', ...parts])).digest('base64url') // prettier-ignore
  const bound = ({ who }: Caller, binding: string) => [who.tenant, who.issuer, who.subject, who.actor.id, binding]
  return {
    mint(call, binding, request) {
      const until = String(clock.nowMs() + livesMs)
      return `v1.${request}.${until}.${call.id}.${sign([request, until, call.id, ...bound(call, binding)])}`
    },
    async refusal(call, binding) {
      if (call.resumes === undefined) return undefined
      const [, request = '', until = '', nonce = '', mac = ''] = form.exec(call.resumes) ?? []
      const right = sign([request, until, nonce, ...bound(call, binding)])
      if (!same(mac, right)) return stray
      const nowMs = clock.nowMs()
      if (Number(until) <= nowMs) return 'The requestState has run out. Repeat the call without it.'
      const holder = await state.remember(`request-state/${mac}`, call.id, Number(until), nowMs)
      return holder === call.id ? undefined : stray
    },
  }
}

function same(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
}
