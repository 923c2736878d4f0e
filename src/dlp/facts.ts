import { isAlnum } from './letters.ts'

/** What one pass over a text tells, so that a recognizer without its trigger never runs. */
export interface Facts {
  readonly at: boolean
  /** `=` or `:`, which may join a key and its secret. */
  readonly assigns: boolean
  /** Something that may hide other characters: a percent sign, an ampersand, a backslash, or anything beyond ASCII. */
  readonly encodes: boolean
  readonly digits: number
  readonly dots: number
  readonly colons: number
  readonly dashes: number
  /** Longest run of letters, digits and `+ / _ - =`. */
  readonly tokenRun: number
}

const flag = { token: 1, digit: 2, at: 4, colon: 8, dot: 16, dash: 32, encodes: 64, equals: 128 }

const table = new Uint8Array(128)
for (let code = 0; code < 128; code++) table[code] = flagsOf(code)

function flagsOf(code: number): number {
  const char = String.fromCharCode(code)
  let flags = isAlnum(code) || '+/_-='.includes(char) ? flag.token : 0
  if (char >= '0' && char <= '9') flags |= flag.digit
  if (char === '@') flags |= flag.at
  if (char === ':') flags |= flag.colon
  if (char === '.') flags |= flag.dot
  if (char === '-') flags |= flag.dash
  if (char === '=') flags |= flag.equals
  if (char === '%' || char === '&' || char === '\\') flags |= flag.encodes
  return flags
}

/** Looks once at every character. */
export function factsOf(text: string): Facts {
  let seen = 0
  let digits = 0
  let dots = 0
  let colons = 0
  let dashes = 0
  let run = 0
  let tokenRun = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const flags = code < 128 ? (table[code] ?? 0) : flag.encodes
    seen |= flags
    if (flags & flag.token) {
      run++
      if (flags & flag.digit) digits++
      else if (flags & flag.dash) dashes++
      continue
    }
    if (run > tokenRun) tokenRun = run
    run = 0
    if (flags & flag.dot) dots++
    else if (flags & flag.colon) colons++
  }
  if (run > tokenRun) tokenRun = run
  const at = (seen & flag.at) !== 0
  const assigns = (seen & (flag.equals | flag.colon)) !== 0
  return { at, assigns, encodes: (seen & flag.encodes) !== 0, digits, dots, colons, dashes, tokenRun }
}
