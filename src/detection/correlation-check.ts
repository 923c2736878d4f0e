import { mentioned, parseCondition, type Condition } from './condition.ts'
import { fieldFor, type Absence } from './correlate.ts'
import type { LoadedRule } from './load.ts'
import type { Correlation, Rule } from './rule.ts'

type Complain = (path: readonly (string | number)[], message: string) => void

/** Judges the `correlation` of a rule. Gives the fields its responses may name, and what is awaited in vain when it is an absence. */
export function correlationOf(
  { correlation }: Rule,
  rules: readonly LoadedRule[],
  fieldsOfBase: ReadonlyMap<string, readonly string[]>,
  complain: Complain,
): { readonly fields: readonly string[]; readonly absence?: Absence } {
  if (!correlation) return { fields: [] }
  basesExist(correlation, rules, complain)
  groupIsKnown(correlation, fieldsOfBase, complain)
  if (correlation.missing === undefined)
    complain(
      ['correlation', 'group-by'],
      'group-by needs "missing: skip" beside it, so that the author has thought of records without the field.',
    )
  const absence = conditionOf(correlation, fieldsOfBase, complain)
  if (absence && correlation.grace === undefined)
    complain(['correlation'], 'An absence needs grace: how long the missing event may still arrive; 0s for not at all.')
  const fields = [...correlation['group-by'], ...correlation.rules.flatMap((rule) => fieldsOfBase.get(rule) ?? [])]
  return { fields: [...new Set(fields)], ...(absence && { absence }) }
}

function basesExist({ rules: names }: Correlation, rules: readonly LoadedRule[], complain: Complain): void {
  names.forEach((name, index) => {
    const base = rules.find(({ rule }) => rule.name === name)
    if (!base) complain(['correlation', 'rules', index], `There is no rule named "${name}".`)
    if (base?.rule.correlation)
      complain(['correlation', 'rules', index], `"${name}" is a correlation itself; correlate detections.`)
  })
}

function groupIsKnown(
  correlation: Correlation,
  fieldsOfBase: ReadonlyMap<string, readonly string[]>,
  complain: Complain,
): void {
  for (const name of correlation['group-by'])
    for (const rule of correlation.rules) {
      const field = fieldFor(name, rule, correlation)
      if (fieldsOfBase.has(rule) && !fieldsOfBase.get(rule)!.includes(field))
        complain(['correlation', 'group-by'], `Unknown field '${field}' in ${rule}, so nothing would ever join.`)
    }
}

function conditionOf(
  correlation: Correlation,
  fieldsOfBase: ReadonlyMap<string, readonly string[]>,
  complain: Complain,
): Absence | undefined {
  const { type, condition } = correlation
  const path = ['correlation', 'condition']
  if (type === 'event_count' || type === 'value_count') {
    if (typeof condition !== 'object') complain(path, `${type} needs a condition such as { gte: 8 }.`)
    else if (condition.gte > 64) complain(path, 'At most 64 matches are kept per group; ask for no more.')
    else if (type === 'value_count') valueField(correlation, condition.field, fieldsOfBase, complain)
    return undefined
  }
  if (condition === undefined) return undefined
  if (typeof condition === 'string') return absenceOf(condition, correlation, complain)
  complain(path, `${type} takes an expression over rule names.`)
  return undefined
}

function valueField(
  { rules }: Correlation,
  field: string | undefined,
  fieldsOfBase: ReadonlyMap<string, readonly string[]>,
  complain: Complain,
): void {
  if (field === undefined) return complain(['correlation', 'condition'], 'value_count needs a field in its condition.')
  for (const rule of rules)
    if (fieldsOfBase.has(rule) && !fieldsOfBase.get(rule)!.includes(field))
      complain(['correlation', 'condition'], `Unknown field '${field}' in ${rule}.`)
}

function absenceOf(text: string, { type, rules }: Correlation, complain: Complain): Absence | undefined {
  const path = ['correlation', 'condition']
  try {
    const condition = parseCondition(text, rules)
    const named = mentioned(condition)
    const present = named.filter(({ negated }) => !negated).map(({ name }) => name)
    const absent = named.filter(({ negated }) => negated).map(({ name }) => name)
    if (type === 'temporal' && isPlain(condition) && present.length === 1 && absent.length > 0)
      return { present, absent }
    if (absent.length > 0 || !isPlain(condition))
      complain(path, 'An absence is written "one and not other": one rule that fires, and those that must not.')
    return undefined
  } catch (error) {
    complain(path, error instanceof Error ? error.message : 'The condition does not parse.')
    return undefined
  }
}

/** Only `and`, with `not` directly before names. */
function isPlain(condition: Condition): boolean {
  if (condition.kind === 'name') return true
  if (condition.kind === 'not') return condition.operand.kind === 'name'
  return condition.kind === 'and' && isPlain(condition.left) && isPlain(condition.right)
}
