import { z } from 'zod'
import { isScope } from './claims.ts'

/** Ceilings, as configuration and `limits` switches write them. An absent one sets no ceiling. */
export interface Limits {
  /** Calls a minute, in the long run. */
  readonly rpm?: number
  /** Calls at once after a pause. */
  readonly burst?: number
  /** Calls under way at one time. */
  readonly concurrency?: number
  /** US dollars for one UTC day. */
  readonly daily_cost_usd?: number
}

/** When to stop an agent that gets nowhere. */
export interface StopRules {
  /** Most different steps of one plan. */
  readonly max_plan_depth?: number
  /** Most repetitions of a call that did not succeed. */
  readonly max_retries?: number
}

/** One entry of `principals` in configuration. Several for one principal add up. */
export interface PrincipalEntry {
  readonly principal: string
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  /** Longest life of a credential of this principal, seconds. */
  readonly ttlSeconds?: number
  readonly limits?: Limits
  readonly stop_rules?: StopRules
}

const whole = z.int().min(0).max(1_000_000)
const scopes = z
  .array(
    z
      .string()

      .refine((text) => !text.includes('*'), { error: 'is a wildcard; name each scope', abort: true })
      .refine(isScope, 'is not a scope (RFC 6749 §3.3)'),
  )
  .max(256)

/** The schema of `limits`, wherever configuration has them. */
export const Limits: z.ZodType<Limits> = z.strictObject({
  rpm: whole.exactOptional(),
  burst: whole.exactOptional(),
  concurrency: whole.exactOptional(),
  daily_cost_usd: z.number().min(0).max(1_000_000).exactOptional(),
})

const StopRules: z.ZodType<StopRules> = z.strictObject({
  max_plan_depth: whole.exactOptional(),
  max_retries: whole.exactOptional(),
})

/** The schema of one entry. Refuses unknown fields, wildcards and names that are not plain visible ASCII. */
export const PrincipalEntry: z.ZodType<PrincipalEntry> = z.strictObject({
  principal: z.string().regex(/^[!-)+-~]{1,256}$/, 'must be one exact name: visible ASCII without "*"'),
  allow: scopes.exactOptional(),
  deny: scopes.exactOptional(),
  ttlSeconds: z.int().min(1).exactOptional(),
  limits: Limits.exactOptional(),
  stop_rules: StopRules.exactOptional(),
})

/** Who is listed, and with what. */
export interface Directory {
  /** Everything that is listed for the given names: one of them is who calls, the other acts for it. */
  find(...names: readonly string[]): PrincipalEntry | undefined
}

/**
 * The principals of the configuration. Entries for one principal add their `allow` and `deny` lists; of two ceilings
 * the lower counts. For two names at once, what both are allowed and what either is denied.
 */
export function directory(entries: readonly PrincipalEntry[]): Directory {
  const listed = new Map<string, PrincipalEntry>()
  for (const entry of entries) {
    const before = listed.get(entry.principal)
    listed.set(entry.principal, before ? combine(before, entry, union) : entry)
  }
  return {
    find(...names) {
      const found = [...new Set(names)].flatMap((name) => listed.get(name) ?? [])
      return found.length < 2 ? found[0] : found.reduce((one, other) => combine(one, other, common))
    },
  }
}

type Lists = (one: readonly string[], other: readonly string[]) => readonly string[]
const union: Lists = (one, other) => [...new Set([...one, ...other])]
const common: Lists = (one, other) => one.filter((scope) => other.includes(scope))

function combine(one: PrincipalEntry, other: PrincipalEntry, allows: Lists): PrincipalEntry {
  const allow = one.allow && other.allow ? allows(one.allow, other.allow) : (one.allow ?? other.allow)
  const deny = union(one.deny ?? [], other.deny ?? [])
  return {
    principal: one.principal,
    deny,
    limits: lowest(one.limits, other.limits),
    stop_rules: lowest(one.stop_rules, other.stop_rules),
    ...(allow && { allow }),
    ...lowest(lifetime(one), lifetime(other)),
  }
}

function lifetime({ ttlSeconds }: PrincipalEntry): { readonly ttlSeconds?: number } {
  return ttlSeconds === undefined ? {} : { ttlSeconds }
}

/** The lower of each number that either gives. */
export function lowest<T extends Limits | StopRules | { readonly ttlSeconds?: number }>(one?: T, other?: T): T {
  const both: Record<string, number> = { ...one }
  for (const [name, value] of Object.entries<number>({ ...other })) both[name] = Math.min(both[name] ?? Infinity, value)
  return both as T
}
