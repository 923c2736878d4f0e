import type { Expression } from './tree.ts'
import { resolveName } from './vocabulary.ts'
import type { Vocabulary } from './vocabulary.ts'

/** Something that is legal and probably not meant. */
export interface Warning {
  readonly message: string
  readonly offset: number
}

/** What is known of the fields an expression reads. */
export interface LintOptions {
  readonly vocabulary: Vocabulary
  /** Fields that some calls or events lack. */
  maybeAbsent(path: string): boolean
  /** Features that are null until enough has been seen. */
  maybeNotReady?(path: string): boolean
  /** Fields a caller can leave out at will: a deny that needs one can be dodged. Set for conditions of denies only. */
  avoidable?(path: string): boolean
}

/** Warns of conditions that hold, or fail to, only because a field is missing. Throws `ExpressionError` for an unknown field. */
export function lintExpression(expression: Expression, options: LintOptions): readonly Warning[] {
  return walk(expression, { options, negated: false, guarded: new Set() })
}

interface Place {
  readonly options: LintOptions
  readonly negated: boolean
  /** Fields that the conditions beside this one already show to be there. */
  readonly guarded: ReadonlySet<string>
}

function walk(node: Expression, place: Place): readonly Warning[] {
  switch (node.kind) {
    case 'value':
      return []
    case 'path':
      return [...notReady(node, place), ...avoidable(node, place)]
    case 'not':
      return walk(node.operand, { ...place, negated: !place.negated })
    case 'all':
      return walkAll(node.of, place)
    case 'compare':
      return walkComparison(node, place)
    case 'call':
      return node.name === 'present' ? [] : childrenOf(node).flatMap((child) => walk(child, place))
    default:
      return childrenOf(node).flatMap((child) => walk(child, place))
  }
}

function walkAll(parts: readonly Expression[], place: Place): readonly Warning[] {
  return parts.flatMap((part) => {
    const shown = parts.filter((other) => other !== part).flatMap((other) => shownBy(other, place))
    return walk(part, { ...place, guarded: new Set([...place.guarded, ...shown]) })
  })
}

/** The field that must be there for this condition to hold: `x`, or `present(x)`. */
function shownBy(node: Expression, place: Place): readonly string[] {
  if (node.kind === 'call' && node.name === 'present') return node.args.flatMap((arg) => shownBy(arg, place))
  return node.kind === 'path' ? [resolved(node, place)] : []
}

type Comparison = Extract<Expression, { readonly kind: 'compare' }>
type Path = Extract<Expression, { readonly kind: 'path' }>

function walkComparison(node: Comparison, place: Place): readonly Warning[] {
  const inverted = node.op === '!=' ? { ...place, negated: !place.negated } : place
  const within = childrenOf(node).flatMap((child) => walk(child, inverted))
  return [...unequal(node, place), ...equalsNull(node, place), ...within]
}

function unequal(node: Comparison, place: Place): readonly Warning[] {
  if (node.op !== '!=' || place.negated) return []
  return pathsIn(node)
    .filter((path) => unguarded(path, place) && place.options.maybeAbsent(resolved(path, place)))
    .map(({ path, offset }) =>
      warning(`'!=' holds when '${path}' is missing; write 'present(${path}) and …' if that is not meant`, offset),
    )
}

function equalsNull(node: Comparison, place: Place): readonly Warning[] {
  if (node.op !== '==' && node.op !== '!=') return []
  const [path] = [node.left, node.right].filter((side) => side.kind === 'path')
  const isNull = [node.left, node.right].some((side) => side.kind === 'value' && side.value === null)
  if (!isNull || !path || !place.options.maybeAbsent(resolved(path, place))) return []
  return [warning(`A missing '${path.path}' is not null; write 'not present(${path.path})' to mean both`, node.offset)]
}

function notReady(node: Path, place: Place): readonly Warning[] {
  const may = place.negated && unguarded(node, place) && place.options.maybeNotReady?.(resolved(node, place))
  return may
    ? [warning(`The negation holds while '${node.path}' is not ready; add 'present(${node.path})'`, node.offset)]
    : []
}

function avoidable(node: Path, place: Place): readonly Warning[] {
  const may = !place.negated && place.options.avoidable?.(resolved(node, place))
  return may
    ? [warning(`A caller that leaves out '${node.path}' is not denied; rest the rule on a required field`, node.offset)]
    : []
}

const warning = (message: string, offset: number): Warning => ({ message, offset })
const resolved = (node: Path, { options }: Place) => resolveName(node.path, options.vocabulary, node.offset)
const unguarded = (node: Path, place: Place) => !place.guarded.has(resolved(node, place))

function pathsIn(node: Expression): readonly Path[] {
  return node.kind === 'path' ? [node] : childrenOf(node).flatMap(pathsIn)
}

function childrenOf(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case 'list':
      return node.items
    case 'call':
      return node.args
    case 'not':
    case 'negate':
      return [node.operand]
    case 'arithmetic':
    case 'compare':
      return [node.left, node.right]
    case 'all':
    case 'any':
      return node.of
    default:
      return []
  }
}
