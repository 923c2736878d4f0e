import type { Expression } from './tree.ts'

/** How tightly a node binds; a looser one inside a tighter place stands in brackets. */
const levels = { any: 1, all: 2, not: 3, compare: 4, sum: 5, term: 6, unary: 7, atom: 8 }

/** The expression as text that parses to the same expression: words for `&&` and `||`, single quotes, plain units. */
export function printExpression(node: Expression): string {
  return print(node, levels.any)
}

function print(node: Expression, place: number): string {
  // A negation is written `not` where a whole comparison may stand, `!` where only a value may.
  if (node.kind === 'not' && place > levels.not) return `!${print(node.operand, levels.unary)}`
  const text = printed(node)
  return levelOf(node) < place ? `(${text})` : text
}

function printed(node: Expression): string {
  switch (node.kind) {
    case 'value':
      return printValue(node.value)
    case 'path':
      return printPath(node.path)
    case 'list':
      return `[${printAll(node.items, ', ', levels.any)}]`
    case 'call':
      return `${node.name}(${printAll(node.args, ', ', levels.any)})`
    case 'not':
      return `not ${print(node.operand, levels.not)}`
    case 'negate':
      return `-${print(node.operand, levels.unary)}`
    case 'arithmetic':
      // Chains lean left, so only the right side needs brackets at its own level.
      return `${print(node.left, levelOf(node))} ${node.op} ${print(node.right, levelOf(node) + 1)}`
    case 'compare':
      return `${print(node.left, levels.sum)} ${node.op} ${print(node.right, levels.sum)}`
    default:
      return printAll(node.of, node.kind === 'all' ? ' and ' : ' or ', levels[node.kind] + 1)
  }
}

function printAll(nodes: readonly Expression[], between: string, place: number): string {
  return nodes.map((node) => print(node, place)).join(between)
}

function levelOf(node: Expression): number {
  if (node.kind === 'arithmetic') return node.op === '+' || node.op === '-' ? levels.sum : levels.term
  if (node.kind === 'negate') return levels.unary
  return node.kind === 'any' || node.kind === 'all' || node.kind === 'not' || node.kind === 'compare'
    ? levels[node.kind]
    : levels.atom
}

function printValue(value: string | number | boolean | null): string {
  if (typeof value === 'string') return quoted(value)
  return typeof value === 'number' ? printNumber(value) : String(value)
}

/** Digits without an exponent, which the grammar does not have. */
function printNumber(value: number): string {
  const plain = String(value)
  return /e/.test(plain) ? value.toLocaleString('en', { useGrouping: false, maximumSignificantDigits: 21 }) : plain
}

/** `\*` and `\?` keep their backslash when read, so it is not doubled when written. */
function quoted(text: string): string {
  const escaped = text
    .replace(/\\(?![*?])/g, '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
  return `'${escaped}'`
}

function printPath(path: string): string {
  const [first, ...rest] = path.split('.')
  return [first, ...rest.map((part) => (/^\w+$/.test(part) ? `.${part}` : bracketed(part)))].join('')
}

const bracketed = (part: string) => (part.includes("'") ? `["${part}"]` : `['${part}']`)
