import { lintExpression } from '../expression/lint.ts'
import { compileCondition, policyVocabulary } from './condition.ts'
import type { Problem } from './document.ts'
import type { PlacedRule } from './rule.ts'

/** Arguments of a tool, as its input schema lists them. */
export interface ToolShape {
  readonly fields: readonly string[]
  readonly required: readonly string[]
}

/** Facts that not every call has. The ticket is left out on purpose far more often than not, so `!ticket` is no warning. */
const maybeAbsent = /^(args\.|egress\.|url\.|ctx\.)/

/**
 * Warns of rules that are legal and probably not meant: conditions that hold because a field is missing, denies and approvals a caller can
 * dodge by leaving an argument out, arguments the tool does not have. `tools` is by name, without aliases.
 */
export function lintPolicies(rules: readonly PlacedRule[], tools: ReadonlyMap<string, ToolShape>): readonly Problem[] {
  return rules.flatMap((rule) => {
    const shapes = shapesOf(rule, tools)
    return [...lintSide(rule, 'when', shapes), ...lintSide(rule, 'unless', shapes)]
  })
}

/** Shapes of the tools a rule names; none when any of them is not known. */
function shapesOf({ when }: PlacedRule, tools: ReadonlyMap<string, ToolShape>): readonly ToolShape[] {
  const names = [when['tool'] ?? []].flat()
  const shapes = names.flatMap((name) => tools.get(String(name)) ?? [])
  return shapes.length === names.length ? shapes : []
}

function lintSide(rule: PlacedRule, side: 'when' | 'unless', shapes: readonly ToolShape[]): readonly Problem[] {
  return Object.entries(rule[side] ?? {}).flatMap(([key, value]) => {
    const { expression } = compileCondition(key, value)
    if (!expression) return []
    const optional = (path: string) => path.startsWith('args.') && shapes.length > 0 && !isRequired(path, shapes)
    const warnings = lintExpression(expression.expression, {
      vocabulary: policyVocabulary,
      maybeAbsent: (path) => maybeAbsent.test(path) && !isRequired(path, shapes),
      ...((rule.decision === 'deny' || rule.decision === 'require_approval') &&
        side === 'when' && { avoidable: optional }),
    })
    const messages = [...warnings.map(({ message }) => message), ...unknownArguments(expression.paths, shapes)]
    return messages.map((message) => ({ ...rule.at, path: `${rule.rule}.${side}.${key}`, message }))
  })
}

function isRequired(path: string, shapes: readonly ToolShape[]): boolean {
  return shapes.length > 0 && shapes.every(({ required }) => required.some((name) => path === `args.${name}`))
}

function unknownArguments(paths: readonly string[], shapes: readonly ToolShape[]): readonly string[] {
  const names = paths.filter((path) => path.startsWith('args.')).map((path) => path.split('.')[1] ?? '')
  return names
    .filter((name) => shapes.some(({ fields }) => !fields.includes(name)))
    .map((name) => `The tool has no argument '${name}', so a condition on it can never see one`)
}
