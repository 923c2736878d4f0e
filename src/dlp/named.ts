import type { Kind } from './finding.ts'
import { digitsIn } from './letters.ts'

/** What a value must look like before its member's name alone decides: `email: "n/a"` and `phone: true` hold nothing. */
const plausible: Readonly<Record<Kind, (text: string) => boolean>> = {
  email: (text) => text.length <= 320 && text.includes('@') && !/\s/.test(text.trim()),
  phone: (text) => text.length <= 40 && between(digitsIn(text), 6, 18) && lettersIn(text) <= 6,
  ssn: (text) => text.length <= 16 && digitsIn(text) >= 6,
  date_of_birth: (text) => text.length <= 32 && digitsIn(text) >= 4,
  iban: (text) => text.length <= 50 && /^[A-Za-z]{2}\d{2}[\sA-Za-z0-9-]{8,}$/.test(text.trim()),
  card: (text) => text.length <= 32 && between(digitsIn(text), 12, 19) && lettersIn(text) === 0,
  national_id: (text) => text.length <= 24 && digitsIn(text) >= 6,
  person: (text) => text.length <= 80 && lettersIn(text) >= 2 && digitsIn(text) === 0 && !/[/\\:@{}<>=_]/.test(text),
  address: (text) =>
    text.length <= 200 && lettersIn(text) >= 3 && /[\s,]/.test(text.trim()) && !/[@{}<>=]|:\/\//.test(text),
  password: (text) => text.trim() !== '',
  token: (text) => text.length >= 8 && text.length <= 8192 && !isProse(text),
  private_key: (text) => text.length >= 16,
}

/** True when a member of that kind's name, with this value, is of the kind whatever else is known. */
export function decidesAlone(kind: Kind, text: string): boolean {
  return Object.hasOwn(plausible, kind) && plausible[kind]?.(text) === true
}

function between(count: number, min: number, max: number): boolean {
  return count >= min && count <= max
}

function lettersIn(text: string): number {
  return text.replace(/\P{L}+/gu, '').length
}

/** A sentence about a token is not a token. A scheme and its credential are. */
function isProse(text: string): boolean {
  const words = text.trim().split(/\s+/)
  return (
    words.length > 2 || (words.length === 2 && !/^(?:bearer|basic|token|digest|apikey|dpop)$/i.test(words[0] ?? ''))
  )
}
