import { functions } from './functions.ts'
import { globTest, patternMax } from './glob.ts'
import { ExpressionError } from './lex.ts'
import { compute, some, tests, truthy } from './operate.ts'
import { parseExpression } from './parse.ts'
import type { Expression } from './tree.ts'
import { suggestion, resolveName } from './vocabulary.ts'
import type { Vocabulary } from './vocabulary.ts'

/** Gives a field's value by its full path: `undefined` when it is missing, `null` when it is null or not ready yet. */
export type Lookup = (path: string) => unknown

export interface CompiledExpression {
  readonly text: string
  readonly expression: Expression
  /** Full paths of every field it reads, each once, in order of appearance. */
  readonly paths: readonly string[]
  /** Whether it holds. Never throws unless `lookup` does. */
  test(lookup: Lookup): boolean
}

type Evaluate = (lookup: Lookup) => unknown
type Resolve = (name: string, offset: number) => string

/** Compiles a text against the fields that exist. Throws `ExpressionError` for bad syntax, an unknown field or function, or a misused operator. */
export function compileExpression(text: string, vocabulary: Vocabulary): CompiledExpression {
  const expression = parseExpression(text)
  const paths = new Set<string>()
  const evaluate = evaluator(expression, (name, offset) => {
    const path = resolveName(name, vocabulary, offset)
    paths.add(path)
    return path
  })
  return { text, expression, paths: [...paths], test: (lookup) => truthy(evaluate(lookup)) }
}

function evaluator(node: Expression, resolve: Resolve): Evaluate {
  switch (node.kind) {
    case 'value':
      return () => node.value
    case 'path':
      return reading(resolve(node.path, node.offset))
    case 'list':
      return listing(node.items.map((item) => evaluator(item, resolve)))
    case 'call':
      return calling(node, resolve)
    case 'not':
      return negation(evaluator(node.operand, resolve))
    case 'negate':
      return minus(evaluator(node.operand, resolve))
    case 'arithmetic':
      return computing(node, resolve)
    case 'compare':
      return comparing(node, resolve)
    default:
      return joining(node, resolve)
  }
}

type Kind<K extends Expression['kind']> = Extract<Expression, { readonly kind: K }>

const reading =
  (path: string): Evaluate =>
  (lookup) =>
    lookup(path)
const listing =
  (items: readonly Evaluate[]): Evaluate =>
  (lookup) =>
    items.map((item) => item(lookup))
const negation =
  (operand: Evaluate): Evaluate =>
  (lookup) =>
    !truthy(operand(lookup))
const minus =
  (operand: Evaluate): Evaluate =>
  (lookup) =>
    compute('-', 0, operand(lookup))

function joining(node: Kind<'all' | 'any'>, resolve: Resolve): Evaluate {
  const parts = node.of.map((part) => evaluator(part, resolve))
  return node.kind === 'all'
    ? (lookup) => parts.every((part) => truthy(part(lookup)))
    : (lookup) => parts.some((part) => truthy(part(lookup)))
}

function computing(node: Kind<'arithmetic'>, resolve: Resolve): Evaluate {
  const [left, right] = [evaluator(node.left, resolve), evaluator(node.right, resolve)]
  return (lookup) => compute(node.op, left(lookup), right(lookup))
}

function comparing(node: Kind<'compare'>, resolve: Resolve): Evaluate {
  const left = evaluator(node.left, resolve)
  if (node.op === 'matches') return matching(left, node.right)
  if (node.op === 'in' && node.right.kind === 'value')
    throw new ExpressionError("'in' needs a list on its right, e.g. ['a', 'b']", node.right.offset)
  const right = evaluator(node.right, resolve)
  const test = tests[node.op]
  return (lookup) => test(left(lookup), right(lookup))
}

/** Patterns are written in the rule, never taken from a call: an agent must not choose what it is compared with. */
function matching(left: Evaluate, right: Expression): Evaluate {
  const patterns = (right.kind === 'list' ? right.items : [right]).map(patternOf)
  return (lookup) => some(left(lookup), (one) => typeof one === 'string' && patterns.some((pattern) => pattern(one)))
}

function patternOf(node: Expression): (text: string) => boolean {
  if (node.kind !== 'value' || typeof node.value !== 'string') {
    throw new ExpressionError("'matches' needs a pattern in quotes on its right, or a list of them", node.offset)
  }
  if (node.value.length > patternMax)
    throw new ExpressionError(`A pattern has at most ${patternMax} characters`, node.offset)
  return globTest(node.value)
}

function calling(node: Kind<'call'>, resolve: Resolve): Evaluate {
  const call = functions.get(node.name)
  if (!call)
    throw new ExpressionError(`Unknown function '${node.name}'${suggestion(node.name, functions.keys())}`, node.offset)
  const [argument, ...rest] = node.args.map((arg) => evaluator(arg, resolve))
  if (!argument || rest.length > 0) throw new ExpressionError(`'${node.name}' takes one argument`, node.offset)
  return (lookup) => call(argument(lookup))
}
