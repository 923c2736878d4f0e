/** A comparison or a test of text; each gives true or false. */
export const operators = [
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  'in',
  'matches',
  'contains',
  'startswith',
  'endswith',
] as const
export type Operator = (typeof operators)[number]
export type Arithmetic = '+' | '-' | '*' | '/' | '%'

/** A parsed expression. `offset` is where the node begins, or where its operator stands. */
export type Expression =
  | { readonly kind: 'value'; readonly value: string | number | boolean | null; readonly offset: number }
  | { readonly kind: 'path'; readonly path: string; readonly offset: number }
  | { readonly kind: 'list'; readonly items: readonly Expression[]; readonly offset: number }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[]; readonly offset: number }
  | { readonly kind: 'not'; readonly operand: Expression; readonly offset: number }
  | { readonly kind: 'negate'; readonly operand: Expression; readonly offset: number }
  | {
      readonly kind: 'arithmetic'
      readonly op: Arithmetic
      readonly left: Expression
      readonly right: Expression
      readonly offset: number
    }
  | {
      readonly kind: 'compare'
      readonly op: Operator
      readonly left: Expression
      readonly right: Expression
      readonly offset: number
    }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Expression[]; readonly offset: number }
