import type { Json, JsonObject } from '../ports/json.ts'
import type { FieldRule } from '../dlp/finding.ts'

/** What a rule may ask of a call. Built once per call by the `decide` stage; nothing else reaches a condition. */
export interface PolicyInput {
  readonly tool: string
  /** The validated arguments; where the service knows better (`count`), the larger truth. */
  readonly args: JsonObject
  readonly subject: { readonly id: string; readonly region: string; readonly tenant: string }
  readonly actor: { readonly id: string; readonly type: string }
  /** Scopes in force. */
  readonly grants: readonly string[]
  readonly data: { readonly contains_pii: boolean; readonly pii_count: number }
  /** Present when the call will connect somewhere its arguments name. */
  readonly egress?: { readonly domain: string; readonly domain_in_allowlist: boolean }
  readonly url?: {
    readonly scheme: string
    readonly hostname: string
    readonly port: number
    readonly path: string
    readonly is_link_local: boolean
    readonly is_private: boolean
  }
  readonly taint: { readonly tainted: boolean; readonly source_markers: number }
  readonly session: { readonly tainted: boolean }
  /** Only a ticket that its register confirms for this principal and tool stands here. */
  readonly ctx: { readonly ticket?: string }
}

/**
 * What policy makes of a call. All rules are evaluated; any enforced deny wins; then any rule that asks for a person; without
 * a matching allow, and nobody to ask, the answer is no.
 */
export interface PolicyVerdict {
  readonly effect: 'allow' | 'deny'
  /** Enforced rules that matched, in file order. */
  readonly rules: readonly string[]
  /** The deny that decided, when one did; absent when nothing allowed the call. */
  readonly deniedBy?: { readonly rule: string; readonly reason: string; readonly namesTicket: boolean }
  /** The call may go on once a person has approved it, and not before. */
  readonly approval?: { readonly rules: readonly string[]; readonly reason: string }
  readonly redact: readonly FieldRule[]
  /** Region to send the call to. */
  readonly route?: string
  /** Two rules named different routes. */
  readonly routeConflict: boolean
  /** What the verdict would have been with the shadow rules enforced, when any of them matched. */
  readonly shadow?: { readonly effect: 'allow' | 'deny' | 'require_approval'; readonly rules: readonly string[] }
}

/** Why one rule did or did not match, for `policy explain`. */
export interface RuleTrace {
  readonly rule: string
  readonly mode: 'enforce' | 'shadow'
  readonly matched: boolean
  readonly effect: 'allow' | 'deny' | 'require_approval' | 'obligation'
  /** One line per condition: its text, and what it came to. */
  readonly conditions: readonly { readonly text: string; readonly held: boolean; readonly saw?: Json }[]
}

export interface Policy {
  /** SHA-256 over the canonical rules, hex. */
  readonly digest: string
  readonly rulesCount: number
  judge(input: PolicyInput): PolicyVerdict
  explain(input: PolicyInput): readonly RuleTrace[]
}
