/** Character tests on UTF-16 code units. All answer false for NaN, which is what lies beyond either end of a string. */

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

export function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90)
}

export function isAlnum(code: number): boolean {
  return isDigit(code) || isLetter(code)
}

/** A letter, digit or underscore, or anything beyond ASCII: what continues a word. */
export function isWord(code: number): boolean {
  return isAlnum(code) || code === 95 || code > 127
}

export function isHex(code: number): boolean {
  return isDigit(code) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70)
}

export function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13)
}

/** The alphabet of base64url, which is also that of most tokens. */
export function isTokenChar(code: number): boolean {
  return isAlnum(code) || code === 45 || code === 95
}

/** How many decimal digits the text holds. */
export function digitsIn(text: string): number {
  let count = 0
  for (let i = 0; i < text.length; i++) if (isDigit(text.charCodeAt(i))) count++
  return count
}

/** The text's decimal digits, in order. */
export function digitsOf(text: string): string {
  return text.replace(/\D+/g, '')
}
