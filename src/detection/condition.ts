/** A Sigma condition over named selections. */
export type Condition =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'not'; readonly operand: Condition }
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition }

/** A condition that cannot be read, or that names what does not exist. The message is one sentence. */
class ConditionError extends Error {
  override readonly name = 'ConditionError'
}

/** Deepest nesting of a condition. */
const depthMax = 32

/**
 * Reads `a and (b or c) and not d`, `1 of sel_*`, `all of them`; `and` binds tighter than `or`, as Sigma has it.
 * Throws `ConditionError` for anything else, and for a name that is not in `names`.
 */
export function parseCondition(text: string, names: readonly string[]): Condition {
  const tokens = text.match(/[()]|[^\s()]+/g) ?? []
  let at = 0
  const peek = () => tokens[at]?.toLowerCase()
  const take = () => tokens[at++]

  function any(depth: number): Condition {
    let left = every(depth)
    while (peek() === 'or') {
      take()
      left = { kind: 'or', left, right: every(depth) }
    }
    return left
  }

  function every(depth: number): Condition {
    let left = one(depth)
    while (peek() === 'and') {
      take()
      left = { kind: 'and', left, right: one(depth) }
    }
    return left
  }

  function one(depth: number): Condition {
    if (depth > depthMax) throw new ConditionError(`The condition is nested deeper than ${depthMax}.`)
    const token = take()
    if (token === undefined) throw new ConditionError('The condition ends where a selection should stand.')
    if (token.toLowerCase() === 'not') return { kind: 'not', operand: one(depth + 1) }
    if (token === '(') return inBrackets(depth)
    if (peek() === 'of') return ofMany(token)
    return named(token, names)
  }

  function inBrackets(depth: number): Condition {
    const inner = any(depth + 1)
    if (take() !== ')') throw new ConditionError('A bracket is not closed.')
    return inner
  }

  function ofMany(quantity: string): Condition {
    take()
    const pattern = take() ?? ''
    if (quantity !== '1' && quantity.toLowerCase() !== 'all')
      throw new ConditionError(`"${quantity} of" is not supported: write "1 of" or "all of".`)
    return joined(quantity === '1' ? 'or' : 'and', matching(pattern, names), pattern)
  }

  const condition = any(0)
  if (at < tokens.length) throw new ConditionError(`"${tokens[at]}" is left over after the condition.`)
  return condition
}

function named(token: string, names: readonly string[]): Condition {
  if (names.includes(token)) return { kind: 'name', name: token }
  const others = names.length > 0 ? `; there are ${names.join(', ')}` : ''
  throw new ConditionError(`The condition names "${token}", and there is no such selection${others}.`)
}

function matching(pattern: string, names: readonly string[]): readonly string[] {
  if (pattern.toLowerCase() === 'them') return names
  if (!pattern.endsWith('*')) return names.filter((name) => name === pattern)
  return names.filter((name) => name.startsWith(pattern.slice(0, -1)))
}

function joined(kind: 'and' | 'or', names: readonly string[], pattern: string): Condition {
  if (names.length === 0)
    throw new ConditionError(`The condition asks for "${pattern}", and no selection is called so.`)
  return names.map((name): Condition => ({ kind: 'name', name })).reduce((left, right) => ({ kind, left, right }))
}

/** Whether the condition holds, given which selections do. */
export function holds(condition: Condition, selected: (name: string) => boolean): boolean {
  switch (condition.kind) {
    case 'name':
      return selected(condition.name)
    case 'not':
      return !holds(condition.operand, selected)
    case 'and':
      return holds(condition.left, selected) && holds(condition.right, selected)
    case 'or':
      return holds(condition.left, selected) || holds(condition.right, selected)
  }
}

/** Selections the condition names, each with whether it stands under a `not`. */
export function mentioned(
  condition: Condition,
  negated = false,
): readonly { readonly name: string; readonly negated: boolean }[] {
  if (condition.kind === 'name') return [{ name: condition.name, negated }]
  if (condition.kind === 'not') return mentioned(condition.operand, !negated)
  return [...mentioned(condition.left, negated), ...mentioned(condition.right, negated)]
}
