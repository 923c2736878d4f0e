import { combine } from './combine.ts'
import type { Matched } from './combine.ts'
import type { PolicyVerdict } from './verdict.ts'

/** True for a rule that is recorded and never obeyed. */
export function isShadow({ rule }: Matched): boolean {
  return rule.mode === 'shadow'
}

/**
 * What the verdict would have been with the shadow rules enforced, and which of them matched; nothing when none did.
 * Routes that would have conflicted count as a denial, because such a call is refused.
 */
export function secondOpinion(matched: readonly Matched[]): PolicyVerdict['shadow'] {
  const rules = matched.filter(isShadow).map(({ rule }) => rule.rule)
  if (rules.length === 0) return undefined
  const { effect, approval, routeConflict } = combine(matched)
  if (effect === 'deny' || routeConflict) return { effect: 'deny', rules }
  return { effect: approval ? 'require_approval' : 'allow', rules }
}
