/**
 * Whether a value holds exactly what a JSON text says: each number's decimal value, each string's code units, every key
 * in its place. Reads the text with a tokenizer of its own, so that no parser's rounding is hidden by the same rounding.
 */
export function sameMeaning(text: string, value: unknown): boolean {
  const said = [...tokens(text)].map(meaning)
  const kept = [...tokens(JSON.stringify(value) ?? '')].map(meaning)
  return said.length === kept.length && said.every((token, index) => token === kept[index])
}

/**
 * Whether every number of a JSON text keeps its value as a double, and every whole one is at most 2^53. What is not like
 * that is refused by rule, whatever RFC 8259 allows: no canonical form could carry it.
 */
export function isExact(text: string): boolean {
  const numbers = [...tokens(text)].filter((token) => /^-?[0-9]/.test(token))
  return numbers.every((token) => {
    const number = Number(token)
    const safe = !Number.isInteger(number) || Number.isSafeInteger(number)
    return Number.isFinite(number) && safe && exact(token) === exact(String(number))
  })
}

function* tokens(text: string): Generator<string> {
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[[\]{}:,]/gs)) yield token
}

function meaning(token: string): string {
  if (token.startsWith('"')) return JSON.stringify(JSON.parse(token))
  return /^-?[0-9]/.test(token) ? exact(token) : token
}

/** A decimal as a whole number and a power of ten, without zeros to spare. */
function exact(token: string): string {
  const [mantissa = '', power = '0'] = token.toLowerCase().split('e')
  const [whole = '', part = ''] = mantissa.split('.')
  let digits = BigInt(`${whole}${part}`)
  let exponent = BigInt(power) - BigInt(part.length)
  if (digits === 0n) return '0'
  for (; digits % 10n === 0n; digits /= 10n) exponent += 1n
  return `${digits}e${exponent}`
}
