import { z } from 'zod'
import type { FieldRule } from '../dlp/finding.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import type { PolicyInput } from './verdict.ts'

type Some<T> = { readonly [K in keyof T]?: T[K] }

/** What is said of an imagined call; the rest is filled in by `inputOf`. */
export interface Facts {
  readonly args?: JsonObject
  readonly subject?: Some<PolicyInput['subject']>
  readonly actor?: Some<PolicyInput['actor']>
  readonly grants?: readonly string[]
  /** A ticket that its register confirms for this caller and tool. */
  readonly ticket?: string
  readonly data?: Some<PolicyInput['data']>
  readonly egress?: Some<NonNullable<PolicyInput['egress']>>
  readonly url?: Some<NonNullable<PolicyInput['url']>>
  readonly taint?: Some<PolicyInput['taint']>
  readonly session?: Some<PolicyInput['session']>
}

/** Every way a judged call can end. */
export const endings = [
  'allow',
  'deny',
  'policy_denied',
  'ticket_required',
  'approval_required',
  'region_unavailable',
] as const
export type Ending = (typeof endings)[number]

/** What all rules together must make of the call, and whether the rule that holds the example must match. */
export interface Expectation {
  /** `deny` stands for every refusal. */
  readonly decision?: Ending
  readonly matches?: boolean
  /** Obligations the verdict must hold, among others. */
  readonly redact?: readonly FieldRule[]
  readonly route?: string
}

/** One imagined call under a rule, and what must become of it. */
export interface Example extends Facts {
  readonly name?: string
  /** The tool called; absent, the one tool the rule names. */
  readonly tool?: string
  /** An ending, or `match` and `no_match` for this rule alone, or several of these at once. */
  readonly expect: Ending | 'match' | 'no_match' | Expectation
}

const json: z.ZodType<Json> = z.json()
const count = z.int().min(0)

const facts = {
  args: z.record(z.string(), json).exactOptional(),
  subject: z
    .strictObject({
      id: z.string().exactOptional(),
      region: z.string().exactOptional(),
      tenant: z.string().exactOptional(),
    })
    .exactOptional(),
  actor: z.strictObject({ id: z.string().exactOptional(), type: z.string().exactOptional() }).exactOptional(),
  grants: z.array(z.string()).exactOptional(),
  ticket: z.string().min(1).exactOptional(),
  data: z.strictObject({ contains_pii: z.boolean().exactOptional(), pii_count: count.exactOptional() }).exactOptional(),
  egress: z
    .strictObject({ domain: z.string().exactOptional(), domain_in_allowlist: z.boolean().exactOptional() })
    .exactOptional(),
  url: z
    .strictObject({
      scheme: z.string().exactOptional(),
      hostname: z.string().exactOptional(),
      port: count.exactOptional(),
      path: z.string().exactOptional(),
      is_link_local: z.boolean().exactOptional(),
      is_private: z.boolean().exactOptional(),
    })
    .exactOptional(),
  taint: z
    .strictObject({ tainted: z.boolean().exactOptional(), source_markers: count.exactOptional() })
    .exactOptional(),
  session: z.strictObject({ tainted: z.boolean().exactOptional() }).exactOptional(),
}

export const Facts: z.ZodType<Facts> = z.strictObject(facts)

const expectation = z.strictObject({
  decision: z.enum(endings).exactOptional(),
  matches: z.boolean().exactOptional(),
  redact: z
    .array(z.strictObject({ field: z.string(), mode: z.enum(['mask', 'partial', 'hash', 'drop', 'block']) }))
    .exactOptional(),
  route: z.string().exactOptional(),
})

export const Example: z.ZodType<Example> = z.strictObject({
  ...facts,
  name: z.string().max(200).exactOptional(),
  tool: z.string().max(256).exactOptional(),
  expect: z.union([z.enum([...endings, 'match', 'no_match']), expectation], {
    error: `must be one of ${endings.join(', ')}, match, no_match, or a map of decision, matches, redact, route`,
  }),
})

/** The call that facts describe. Unsaid: a US agent of tenant `acme`, no personal data, no destination, no ticket. */
export function inputOf(tool: string, facts: Facts): PolicyInput {
  return {
    tool,
    args: facts.args ?? {},
    subject: { id: 'agent:example', region: 'US', tenant: 'acme', ...facts.subject },
    actor: { id: 'agent:example', type: 'agent', ...facts.actor },
    grants: facts.grants ?? [],
    data: { contains_pii: (facts.data?.pii_count ?? 0) > 0, pii_count: 0, ...facts.data },
    ...(facts.egress && { egress: { domain: 'vendor.example', domain_in_allowlist: false, ...facts.egress } }),
    ...(facts.url && { url: { ...blankUrl, ...facts.url } }),
    taint: { tainted: false, source_markers: 0, ...facts.taint },
    session: { tainted: false, ...facts.session },
    ctx: facts.ticket === undefined ? {} : { ticket: facts.ticket },
  }
}

const blankUrl = {
  scheme: 'https',
  hostname: 'vendor.example',
  port: 443,
  path: '/',
  is_link_local: false,
  is_private: false,
}
