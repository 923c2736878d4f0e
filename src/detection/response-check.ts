import { detectorTtlMaxMs } from '../control/signed.ts'
import { suggestion } from '../expression/vocabulary.ts'
import type { CompiledRule } from './compile.ts'
import { compileExpression } from '../expression/compile.ts'
import { holds } from './condition.ts'
import type { Reaction } from './reaction.ts'
import { listNames } from './select.ts'

type Complain = (path: readonly (string | number)[], message: string) => void

/** Judges what a rule would do: nothing is enforced without a limit, an end and a way back. */
export function responsesOf(
  { rule }: CompiledRule,
  known: readonly string[],
  isBase: boolean,
  complain: Complain,
): void {
  if (rule.suppress && rule.suppress.missing === undefined)
    complain(
      ['suppress'],
      'suppress.by needs "missing: alert" or "missing: suppress": what happens when one of the fields is absent.',
    )
  for (const field of rule.suppress?.by ?? [])
    if (!known.includes(field)) complain(['suppress', 'by'], `Unknown field '${field}'${suggestion(field, known)}.`)
  if (isBase && rule.response.length > 0)
    complain(['response'], 'A base rule of a correlation stays silent alone; move the response to the correlation.')
  rule.response.forEach((reaction, index) => {
    const path = ['response', index]
    if (!known.includes(reaction.target))
      complain([...path, 'target'], `Unknown field '${reaction.target}'${suggestion(reaction.target, known)}.`)
    for (const action of [reaction.action, ...(reaction.escalate ? [reaction.escalate.to] : [])])
      if (onTenants.includes(action) && reaction.target !== 'tenant.id')
        complain([...path, 'target'], `${action} works on a whole tenant; its target is tenant.id.`)
    if (reaction.action === 'pause_consumer' || reaction.escalate?.to === 'pause_consumer')
      complain([...path, 'action'], 'Nothing obeys pause_consumer in this version; choose another action.')
    endsInADay(reaction, path, complain)
    if (reaction.escalate) endsInADay(reaction.escalate, [...path, 'escalate'], complain)
    for (const entry of reaction.never ?? []) neverIsKnown(entry, path, complain)
    if (mayEnforce(reaction)) enforceable(reaction, path, rule.status, complain)
    if (mayEnforce(reaction.escalate))
      enforceable({ ...reaction, ...reaction.escalate }, [...path, 'escalate'], rule.status, complain)
  })
}

/** The command log takes no longer order of a detector. */
function endsInADay({ ttl = 0 }: Pick<Reaction, 'ttl'>, path: readonly (string | number)[], complain: Complain): void {
  if (ttl > detectorTtlMaxMs)
    complain([...path, 'ttl'], 'What a rule orders lasts a day at most, until a person looks; make ttl 24h or less.')
}

const onTenants: readonly string[] = ['read_only', 'freeze_catalog', 'require_approval']

/** Enforced unasked, or once nobody answered. */
const mayEnforce = (step: Pick<Reaction, 'mode' | 'on_timeout'> | undefined) =>
  step?.mode === 'enforce' || (step?.mode === 'ask' && step.on_timeout === 'enforce')

function enforceable(
  { limits, ttl, undo }: Reaction,
  path: readonly (string | number)[],
  status: string,
  complain: Complain,
): void {
  const missing = [!limits && 'limits', ttl === undefined && 'ttl', undo === undefined && 'undo'].filter(
    (name) => name !== false,
  )
  if (missing.length > 0) complain(path, `A response that may be enforced needs ${missing.join(', ')}.`)
  if (limits && !limits.per_tenant && !limits.global) complain([...path, 'limits'], 'Limits need per_tenant or global.')
  if (status === 'experimental')
    complain(path, 'An experimental rule may not enforce; make its status test or stable, or its mode ask.')
}

function neverIsKnown(entry: string, path: readonly (string | number)[], complain: Complain): void {
  const name = /^%(.*)%$/.exec(entry)?.[1]
  if (name !== undefined && !listNames.includes(name))
    complain([...path, 'never'], `There is no list %${name}%; there are ${listNames.join(', ')}.`)
}

const holdsSessions: readonly string[] = ['kill_session', 'pause_session', 'revoke_token', 'revoke_grant']

/** Novelty finds new work as readily as attacks: alone it may neither hold a session nor, without a warning, page. */
export function novelty(compiled: CompiledRule, complain: Complain, warn: Complain): void {
  const { rule } = compiled
  if (!decidesAlone(compiled)) return
  if (rule.level === 'high' || rule.level === 'critical')
    warn(['level'], 'Novelty alone should not page; add a second signal or lower the level.')
  rule.response.forEach((reaction, index) => {
    const kills = [reaction.action, reaction.escalate?.to].some(
      (action) => action !== undefined && holdsSessions.includes(action),
    )
    const harmless = reaction.mode === 'shadow' || reaction.mode === 'off'
    if (kills && !harmless && !asksMore(reaction, compiled))
      complain(['response', index], 'A kill from novelty alone: add a second signal to the condition, or to "when".')
  })
}

/** Fields that speak of more than the order of tools. */
function secondSignals({ rule }: CompiledRule): (field: string) => boolean {
  const noveltyOf = (field: string) => rule.analytics[field]?.type === 'sequence_novelty'
  return (field) =>
    (field in rule.analytics && !noveltyOf(field)) || field.startsWith('taint.sink.') || field === 'result.markers'
}

function asksMore({ when }: Reaction, compiled: CompiledRule): boolean {
  if (when === undefined) return false
  const paths = compileExpression(when, { names: new Set(), prefixes: [''] }).paths
  return paths.some(secondSignals(compiled))
}

/** Selections tried in every combination; a rule with more is judged by its fields. */
const selectionsMax = 12

/** True when some event could fire the rule on novelty with every second signal absent, and would not without novelty. */
function decidesAlone(compiled: CompiledRule): boolean {
  const { rule, parts, condition } = compiled
  const isNovel = (field: string) => rule.analytics[field]?.type === 'sequence_novelty'
  const isSecond = secondSignals(compiled)
  const names = [...parts.keys()]
  const novel = names.filter((name) => parts.get(name)!.fields.some(isNovel) && !parts.get(name)!.fields.some(isSecond))
  if (!condition || novel.length === 0) return false
  const second = names.filter((name) => parts.get(name)!.fields.some(isSecond))
  const others = names.filter((name) => !novel.includes(name) && !second.includes(name))
  if (others.length > selectionsMax) return second.length === 0
  return Array.from({ length: 2 ** others.length }, (_, bits) => others.filter((_, at) => bits & (1 << at))).some(
    (on) =>
      holds(condition, (name) => on.includes(name) || novel.includes(name)) &&
      !holds(condition, (name) => on.includes(name)),
  )
}
