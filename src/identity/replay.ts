import { createHash, randomUUID } from 'node:crypto'
import { StateFull, type StateStore } from '../ports/state-store.ts'
import type { Claims } from './claims.ts'
import type { SteadyTime } from './steady.ts'

/**
 * What a token's name, its `jti`, may be used for: by its first sender until it expires (`bound`), or for one HTTP request
 * (`strict`). In loopback development (`lenient`) a sender without certificate or DPoP key is anybody, so that one token
 * serves several clients.
 */
export type ReplayMode = 'bound' | 'strict' | 'lenient'

/** Who shows a token, as far as the connection proves it: the first present of these, from the strongest. */
export type Sender =
  { readonly kind: 'certificate' | 'key' | 'session' | 'process'; readonly id: string } | { readonly kind: 'anyone' }

/** What became of taking a token: `tied` when nobody else can use it from now on. */
export type Taken =
  | { readonly kind: 'taken'; readonly tied: boolean }
  /** It belongs to another sender, or was used up. */
  | { readonly kind: 'replayed'; readonly why: string }
  /** The state did not say whose it is. */
  | { readonly kind: 'unknown'; readonly why: string }

export interface ReplayParts {
  /** Shared by all replicas. */
  readonly state: Pick<StateStore, 'remember'>
  readonly time: SteadyTime
  readonly mode: ReplayMode
}

/** How long a token's name is remembered at least, and beyond its end, milliseconds: its skew, and a clock that is stepped. */
const keptMsMin = 15 * 60_000
const graceMs = 6 * 60_000

/**
 * Takes tokens for their senders. A name, that is (`iss`, `jti`), belongs to the first sender that showed it, in every
 * process that shares the state, until its token has ended. Refuses where the state is full or cannot be asked: what is
 * forgotten, or not known, could be shown twice.
 */
export function replay(parts: ReplayParts): (claims: Claims, sender: Sender) => Promise<Taken> {
  const { state, time, mode } = parts
  return async (claims, sender) => {
    const held = mode === 'lenient' ? lenient(sender) : sender
    const once = mode === 'strict' && sender.kind !== 'process'
    const holder = once ? `once ${randomUUID()}` : holderOf(held)
    const nowMs = time.earliestMs()
    const untilMs = Math.max(claims.expMs + graceMs, time.latestMs() + keptMsMin)
    try {
      const first = await state.remember(nameOf(claims), holder, untilMs, nowMs)
      if (first === holder) return { kind: 'taken', tied: once || held.kind !== 'anyone' }
      return {
        kind: 'replayed',
        why: `jti: The token was first shown by another ${kindOf(first)}; this is a ${kindOf(holder)}.`,
      }
    } catch (error) {
      return {
        kind: 'unknown',
        why: `jti: ${error instanceof StateFull ? error.message : 'The state gave no answer.'}`,
      }
    }
  }
}

/** The session of the 2025 revisions and the process are what a developer opens anew all day. */
function lenient(sender: Sender): Sender {
  return sender.kind === 'session' || sender.kind === 'process' ? { kind: 'anyone' } : sender
}

/** Two issuers may give one name; no two spellings of a token have two. */
function nameOf({ issuer, jti }: Claims): string {
  return `jti/${digest(JSON.stringify([issuer, jti]))}`
}

/** Session ids and process ids are not kept as they are. */
function holderOf(sender: Sender): string {
  return sender.kind === 'anyone' ? 'anyone' : `${sender.kind} ${digest(sender.id)}`
}

const kinds: Readonly<Record<string, string>> = {
  certificate: 'client certificate',
  key: 'DPoP key',
  session: 'protocol session',
  process: 'stdio connection',
  once: 'single request',
  anyone: 'sender that nothing tells apart',
}

const kindOf = (holder: string): string => kinds[holder.split(' ', 1)[0] as string] ?? 'sender'

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
