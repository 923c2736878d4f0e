/** The functions an expression may call: pure, total, one argument each. */
export const functions: ReadonlyMap<string, (value: unknown) => unknown> = new Map([
  ['lower', lower],
  ['len', len],
  ['present', (value: unknown) => value !== undefined && value !== null],
])

/** A text in lower case, and so each text of a list; anything else is missing. */
function lower(value: unknown): unknown {
  if (typeof value === 'string') return value.toLowerCase()
  return Array.isArray(value)
    ? value.map((one: unknown) => (typeof one === 'string' ? one.toLowerCase() : one))
    : undefined
}

/** UTF-16 units of a text, elements of a list; anything else is missing. */
function len(value: unknown): number | undefined {
  return typeof value === 'string' || Array.isArray(value) ? value.length : undefined
}
