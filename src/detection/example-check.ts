import { suggestion } from '../expression/vocabulary.ts'
import { fieldsOf } from './analytic.ts'
import type { LoadedRule } from './load.ts'
import type { Rule } from './rule.ts'
import { exampleOnly, vocabulary } from './vocabulary.ts'

type Complain = (path: readonly (string | number)[], message: string) => void

/** A rule without an example of each kind is an opinion. */
export function examplesOf({ tests }: Rule, isBase: boolean, complain: Complain): void {
  if (isBase) return
  if (!tests.some(({ expect }) => expect.alerts > 0))
    complain(['tests'], 'There is no positive example: none of the tests expects an alert.')
  if (!tests.some(({ expect }) => expect.alerts === 0))
    complain(['tests'], 'There is no negative example: none of the tests expects alerts: 0.')
}

/** A mistyped field in an example proves nothing, most of all in a negative one. */
export function exampleFields(
  rule: Rule,
  rules: readonly LoadedRule[],
  known: readonly string[],
  complain: Complain,
): void {
  rule.tests.forEach((example, index) => {
    for (const { kind, fields } of [...example.events, ...example.repeat.map(({ event }) => event)]) {
      const names = [...known, ...exampleOnly, ...(kind && kind !== 'watermark' ? vocabulary[kind] : [])]
      for (const field of Object.keys(fields))
        if (!names.includes(field))
          complain(['tests', index], `Unknown field '${field}' in an event${suggestion(field, names)}.`)
    }
    for (const { values, seen } of example.baseline)
      for (const feature of [...Object.keys(values), ...Object.keys(seen)])
        if (!featuresFor(rule, rules).includes(feature))
          complain(['tests', index], `The baseline teaches '${feature}', which is no feature of the rule.`)
  })
}

function featuresFor(rule: Rule, rules: readonly LoadedRule[]): readonly string[] {
  const bases = rules.filter((other) => rule.correlation?.rules.includes(other.rule.name)).map((other) => other.rule)
  return [rule, ...bases].flatMap(({ analytics }) =>
    Object.entries(analytics).flatMap(([name, analytic]) => fieldsOf(name, analytic)),
  )
}
