import type { FieldRule, Mode } from '../dlp/finding.ts'
import type { Rule } from './rule.ts'
import type { PolicyVerdict } from './verdict.ts'

/** What combining needs of a rule that matched. */
export interface Matched {
  readonly rule: Rule
  readonly namesTicket: boolean
}

/** What these matching rules make of a call together, whatever their mode. */
export function combine(matched: readonly Matched[]): Omit<PolicyVerdict, 'shadow'> {
  const deny = decidingDeny(matched)
  const asking = deny ? [] : matched.filter(({ rule }) => rule.decision === 'require_approval')
  const allowed = !deny && (asking.length > 0 || matched.some(({ rule }) => rule.decision === 'allow'))
  const routes = new Set(matched.flatMap(({ rule }) => rule.route ?? []))
  const [route] = routes
  return {
    effect: allowed ? 'allow' : 'deny',
    rules: matched.map(({ rule }) => rule.rule),
    ...(deny && { deniedBy: { rule: deny.rule.rule, reason: reasonOf(deny), namesTicket: deny.namesTicket } }),
    ...(asking[0] && { approval: { rules: asking.map(({ rule }) => rule.rule), reason: askingReason(asking[0]) } }),
    redact: strictest(matched.flatMap(({ rule }) => rule.redact ?? [])),
    ...(route !== undefined && routes.size === 1 && { route }),
    routeConflict: routes.size > 1,
  }
}

/** The first deny that no ticket would lift, else the first: an agent sent for a ticket must not come back to another no. */
function decidingDeny(matched: readonly Matched[]): Matched | undefined {
  const denies = matched.filter(({ rule }) => rule.decision === 'deny')
  return denies.find(({ namesTicket }) => !namesTicket) ?? denies[0]
}

function reasonOf({ rule, namesTicket }: Matched): string {
  return rule.reason ?? (namesTicket ? 'this call needs an approved change ticket' : 'policy does not permit this call')
}

function askingReason({ rule }: Matched): string {
  return rule.reason ?? 'a person must approve this call'
}

/** Strictest first. */
const strictness: readonly Mode[] = ['block', 'drop', 'mask', 'hash', 'partial']

/** One mode for each field: the strictest that any rule asks for. Order of first appearance. */
function strictest(asked: readonly FieldRule[]): readonly FieldRule[] {
  const modes = new Map<string, Mode>()
  for (const { field, mode } of asked) modes.set(field, stricter(modes.get(field) ?? mode, mode))
  return [...modes].map(([field, mode]) => ({ field, mode }))
}

function stricter(one: Mode, other: Mode): Mode {
  return strictness.indexOf(one) <= strictness.indexOf(other) ? one : other
}
