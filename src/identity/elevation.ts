import { z } from 'zod'
import { PersonName } from '../control/request.ts'
import { term, type Term } from '../control/term.ts'
import { suggestion } from '../expression/vocabulary.ts'
import type { Clock } from '../ports/clock.ts'
import { isScope } from './claims.ts'
import type { Directory } from './directory.ts'
import { rightsOf, type Rights } from './grant.ts'
import type { Principal } from './principal.ts'

/** Longest an elevation may last, seconds: a working day. */
export const elevationSecondsMax = 8 * 3_600
const elevationSecondsDefault = 3_600

/** A right that somebody asks for, for somebody, for a while. */
export interface ElevationAsk {
  readonly principal: string
  readonly tenant: string
  readonly scopes: readonly string[]
  readonly reason: string
  /** Who asks; not the one who approves. */
  readonly requestedBy: string
  readonly ttlSeconds: number
  readonly ticket?: string
  /** Only this person may approve. */
  readonly approver?: string
}

const text = z.string().trim().min(1).max(512)

/** The schema of a request. Refuses unknown fields, wildcards, and rights that would last longer than `elevationSecondsMax`. */
export const ElevationAsk: z.ZodType<ElevationAsk> = z.strictObject({
  principal: z.string().regex(/^[!-)+-~]{1,256}$/, 'must be one exact name: visible ASCII without "*"'),
  tenant: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be the name of one tenant'),
  scopes: z
    .array(
      z
        .string()
        .refine((scope) => !scope.includes('*'), { error: 'is a wildcard; name each scope', abort: true })
        .refine(isScope, 'is not a scope (RFC 6749 §3.3)'),
    )
    .min(1, 'must name at least one scope')
    .max(16, 'names more than 16 scopes'),
  reason: text,
  requestedBy: PersonName,
  ttlSeconds: z
    .int()
    .min(1, 'must be at least 1 second')
    .max(elevationSecondsMax, `must be at most ${elevationSecondsMax} seconds`)
    .default(elevationSecondsDefault),
  ticket: text.exactOptional(),
  approver: PersonName.exactOptional(),
})

/** Why these scopes can never be given, or undefined. Names the nearest scope there is. */
export function scopesProblem(
  scopes: readonly string[],
  known: readonly string[],
  denied: readonly string[] = [],
): string | undefined {
  const stray = scopes.find((scope) => !known.includes(scope))
  if (stray !== undefined) return `there is no scope '${stray}'${suggestion(stray, known)}`
  const hopeless = scopes.find((scope) => denied.includes(scope))
  if (hopeless === undefined) return undefined
  return `'${hopeless}' is on the deny list of this principal, which no elevation overrides`
}

/** An elevation that was approved. */
export interface Elevation {
  readonly id: string
  readonly tenant: string
  readonly principal: string
  readonly scopes: readonly string[]
  /** Milliseconds since the epoch. */
  readonly endsMs: number
}

/** The elevations in force, in memory: asked on every call, and never waits. */
export interface Elevations {
  /** Puts one in force. `knownMs`: see `term`. */
  grant(elevation: Elevation, knownMs?: number): void
  /** Ends one before its time. */
  end(id: string): void
  /** Scopes that are granted to one principal of one tenant now. */
  of(tenant: string, principal: string): readonly string[]
  remainingMs(id: string): number
}

interface Live extends Elevation {
  readonly term: Term
}

export function elevations(clock: Clock): Elevations {
  const byId = new Map<string, Live>()
  const filed = new Map<string, Set<Live>>()
  const placeOf = (tenant: string, principal: string): string => JSON.stringify([tenant, principal])

  function end(id: string): void {
    const live = byId.get(id)
    if (!live) return
    const place = placeOf(live.tenant, live.principal)
    filed.get(place)?.delete(live)
    if (filed.get(place)?.size === 0) filed.delete(place)
    byId.delete(id)
  }

  return {
    grant(elevation, knownMs) {
      end(elevation.id)
      const live = { ...elevation, term: term(clock, elevation.endsMs, knownMs) }
      const place = placeOf(elevation.tenant, elevation.principal)
      byId.set(elevation.id, live)
      filed.set(place, (filed.get(place) ?? new Set()).add(live))
    },
    end,
    of(tenant, principal) {
      if (filed.size === 0) return []
      const own = filed.get(placeOf(tenant, principal))
      return [...(own ?? [])].filter((live) => live.term.remainingMs() > 0).flatMap(({ scopes }) => scopes)
    },
    remainingMs: (id) => byId.get(id)?.term.remainingMs() ?? 0,
  }
}

/** Who asks for its rights: the credential's scopes, and everybody it stands for. */
type Holder = Pick<Principal, 'tenant' | 'subject' | 'scopes'> & { readonly actor: Pick<Principal['actor'], 'id'> }

/**
 * Rights as they are now, and which of them only an elevation gives. Whoever acts for another holds only what both were
 * granted: neither may lend the other's elevation.
 */
export function rightsNow(
  directory: Directory,
  elevated: Elevations['of'],
  { tenant, subject, actor, scopes }: Holder,
): Rights & { readonly elevated: readonly string[] } {
  const granted = elevated(tenant, actor.id)
  const own = granted.length === 0 || actor.id === subject ? granted : common(granted, elevated(tenant, subject))
  const entry = directory.find(subject, actor.id)
  const without = rightsOf(scopes, entry)
  if (own.length === 0) return { ...without, elevated: [] }
  const { rights } = rightsOf(scopes, entry, own)
  return { ...without, rights, elevated: rights.filter((scope) => !without.rights.includes(scope)) }
}

function common(one: readonly string[], other: readonly string[]): readonly string[] {
  return one.filter((scope) => other.includes(scope))
}
