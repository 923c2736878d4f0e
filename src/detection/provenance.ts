import type { Json } from '../ports/json.ts'
import { isJsonObject } from '../ports/json.ts'
import type { Identifier } from './identifiers.ts'
import { identifiersIn } from './identifiers.ts'
import type { Mixer } from './mix.ts'
import { key53, mixer } from './mix.ts'
import { registrableDomain } from './domain.ts'

/** What is known of where a call's sensitive arguments came from. */
export interface Taint {
  /** An identifier in a sink argument appeared in an untrusted tool output of this session. */
  readonly tainted: boolean
  /** Tool whose output it first appeared in. */
  readonly source?: string
  /** Injection markers in that output. */
  readonly sourceMarkers: number
  /** Keyed digest of the tainted value, under the tenant's long-lived key. */
  readonly valueHash?: string
}

/** Remembers which identifiers each session has seen in tool outputs, and recognizes them in later arguments. */
export interface Provenance {
  /** Learns the identifiers of an output. `markers` is `Marks.markers` of that output: 0 when it carries no instruction. */
  learn(session: string, tenant: string, tool: string, output: Json, markers: number): void
  /**
   * Where the identifiers of a call's arguments come from. `sinks` are dotted paths into the arguments (`url`, `set.owner`); without
   * them every argument counts. For a URL its whole, its host and its registrable domain count, in that order. Of several tainted
   * values the one whose source carried most markers is told.
   */
  trace(session: string, tenant: string, args: Json, sinks?: readonly string[]): Taint
  /** True once an output of this session carried injection markers. */
  sessionTainted(session: string): boolean
  /** The same memory, read by who vouches for other values: a reload forgets nothing. */
  trusting(trusted: (value: string) => boolean): Provenance
}

export interface ProvenanceOptions {
  /** Sessions remembered; the one unused for longest is forgotten first. */
  readonly sessionsMax: number
  /** Identifiers remembered per session; those from outputs with markers outlast the others. 4096 by default. */
  readonly valuesMax?: number
  /** Keyed digest of a value under the tenant's long-lived key, for `valueHash`. Asked once per tainted call. */
  readonly hash: (tenant: string, value: string) => string
  /** What configuration vouches for: called with a value, its host and its registrable domain, or a mail address and its domain. */
  readonly trusted?: (value: string) => boolean
}

interface Source {
  readonly tool: string
  readonly markers: number
}

/** Digests, not values: a heap dump shows no mail address. */
interface Session {
  readonly mix: Mixer
  readonly plain: Map<number, Source>
  readonly marked: Map<number, Source>
}

const untainted: Taint = { tainted: false, sourceMarkers: 0 }

/** Bounded memory of identifiers by session. Trusted values are never tainted, wherever they appeared. */
export function provenance({
  sessionsMax,
  valuesMax = 4096,
  hash,
  trusted = () => false,
}: ProvenanceOptions): Provenance {
  const sessions = new Map<string, Session>()
  /** Outlives a session's values, so that opening many sessions does not wash one clean. */
  const suspect = new Set<string>()

  function open(id: string, tenant: string): Session {
    const session = sessions.get(id) ?? {
      mix: mixer(hash(tenant, `session ${id}`), 'provenance'),
      plain: new Map(),
      marked: new Map(),
    }
    touch(sessions, id, session)
    if (sessions.size > sessionsMax) forgetOldest(sessions)
    return session
  }

  function learn(id: string, tenant: string, tool: string, output: Json, markers: number): void {
    const session = open(id, tenant)
    if (markers > 0) suspect.add(id)
    if (suspect.size > sessionsMax * 8) forgetOldest(suspect)
    for (const identifier of identifiersIn(output, valuesMax)) {
      for (const form of identifier.forms) remember(session, key53(session.mix(form)), { tool, markers })
    }
    for (const kept of [session.plain, session.marked])
      while (session.plain.size + session.marked.size > valuesMax && kept.size > 0) forgetOldest(kept)
  }

  function trace(
    vouched: (value: string) => boolean,
    ...[id, tenant, args, sinks]: Parameters<Provenance['trace']>
  ): Taint {
    const session = sessions.get(id)
    if (session === undefined) return untainted
    touch(sessions, id, session)
    const hits = identifiersIn(sinks === undefined ? args : sinkValues(args, sinks), valuesMax)
      .filter((identifier) => !isTrusted(identifier, vouched))
      .flatMap((identifier) => hitOf(session, identifier) ?? [])
    const [worst] = hits.toSorted((a, b) => b.source.markers - a.source.markers)
    if (worst === undefined) return untainted
    const { source, value } = worst
    return { tainted: true, source: source.tool, sourceMarkers: source.markers, valueHash: hash(tenant, value) }
  }

  const trusting = (vouched: (value: string) => boolean): Provenance => ({
    learn,
    trace: (...call) => trace(vouched, ...call),
    sessionTainted: (id) => suspect.has(id),
    trusting,
  })
  return trusting(trusted)
}

/** The first output keeps the credit, until one with more markers shows the same value. */
function remember({ plain, marked }: Session, key: number, source: Source): void {
  const known = marked.get(key) ?? plain.get(key)
  if (known !== undefined && known.markers >= source.markers) return
  if (source.markers === 0) plain.set(key, source)
  else {
    plain.delete(key)
    marked.set(key, source)
  }
}

/**
 * The widest source that explains the identifier. The value told is the host for a URL, because its path is new every time,
 * and the registrable domain when only that was seen.
 */
function hitOf(
  { plain, marked, mix }: Session,
  { kind, forms }: Identifier,
): { source: Source; value: string } | undefined {
  for (const [i, form] of forms.entries()) {
    const key = key53(mix(form))
    const source = marked.get(key) ?? plain.get(key)
    if (source === undefined) continue
    return {
      source,
      value: (kind === 'url' || kind === 'host' ? forms[Math.max(i, forms.length > 2 ? 1 : 0)] : form) ?? form,
    }
  }
  return undefined
}

function isTrusted({ kind, forms }: Identifier, trusted: (value: string) => boolean): boolean {
  if (forms.some(trusted)) return true
  const [mail = ''] = forms
  const domain = mail.slice(mail.lastIndexOf('@') + 1)
  return kind === 'email' && (trusted(domain) || trusted(registrableDomain(domain)))
}

function sinkValues(args: Json, sinks: readonly string[]): Json {
  return sinks.flatMap((path) => {
    let value: Json | undefined = args
    for (const name of path.split('.'))
      value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
    return value === undefined ? [] : [value]
  })
}

function touch<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
}

function forgetOldest<Key>(kept: { keys(): Iterator<Key>; delete(key: Key): boolean }): void {
  const oldest = kept.keys().next()
  if (oldest.done !== true) kept.delete(oldest.value)
}
