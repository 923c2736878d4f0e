import { builtInKinds } from './kinds.ts'
import { isDigit, isWord } from './letters.ts'

/** What a word before a number says about it. `other` means an id, an order, a version: not a person's number. */
export type Hint = 'phone' | 'card' | 'ssn' | 'iban' | 'birth' | 'other' | NationalHint
type NationalHint = 'nhs' | 'aadhaar' | 'pesel' | 'tfn' | 'sin' | 'dni'

/** How many characters before a number are read for words, and how many words. */
const reach = 48
const wordsMax = 8

const words: Readonly<Record<Hint, string>> = {
  phone:
    'phone phones tel telephone telefono teléfono telefon téléphone mobile móvil cell cellphone landline fax call calling called dial sms text texts messages whatsapp contact contacted reach reached reachable hotline',
  card: 'card cards cardnumber credit debit visa mastercard amex maestro cc pan',
  ssn: 'ssn ssns social itin taxpayer',
  iban: 'iban ibans',
  birth: 'dob born birth birthday birthdate birthdays',
  other:
    'id ids order orders invoice sku ref reference tracking ticket case version build commit sha serial isbn ean upc uuid guid item product model part parcel revision rev port line page row batch lot bug issue epoch timestamp',
  nhs: 'nhs',
  aadhaar: 'aadhaar aadhar uidai',
  pesel: 'pesel',
  tfn: 'tfn',
  sin: 'sin',
  dni: 'dni nif nie',
}

const hints: ReadonlyMap<string, Hint> = new Map(
  (Object.keys(words) as Hint[]).flatMap((hint) => words[hint].split(' ').map((word) => [word, hint] as const)),
)

/** Our own masks and hashes are full of telling words; reading stops at the last of them. */
const ours = new RegExp(`\\*\\*\\*|<(?:${builtInKinds.join('|')})>|:[A-Za-z0-9_-]{1,32}:[A-Z2-7]{16}`, 'g')

/** What stands before a position: the nearest telling word, and how many plain words lie between. */
export interface Context {
  readonly hint: Hint
  readonly wordsBetween: number
}

/** Reads whole words backwards, so that "Smartphone" is no phone. Looks at most at `reach` characters. */
export function contextBefore(text: string, start: number): Context | undefined {
  const before = precedingText(text, start)
  let end = before.length
  for (let between = 0; between < wordsMax; between++) {
    while (end > 0 && !isWord(before.charCodeAt(end - 1))) end--
    let from = end
    while (from > 0 && isWord(before.charCodeAt(from - 1))) from--
    if (from === end || cutWord(text, start, before, from)) return undefined
    const hint = hintOf(before.slice(from, end))
    if (hint !== undefined) return { hint, wordsBetween: between }
    end = from
  }
  return undefined
}

function precedingText(text: string, start: number): string {
  const before = text.slice(Math.max(0, start - reach), start)
  if (!before.includes('***') && !before.includes('<') && !before.includes(':')) return before
  let after = 0
  for (const found of before.matchAll(ours)) after = found.index + found[0].length
  return before.slice(after)
}

/** The earliest word may begin before the part that was read; half a word says nothing. */
function cutWord(text: string, start: number, before: string, from: number): boolean {
  return from === 0 && isWord(text.charCodeAt(start - before.length - 1))
}

/** Also the last part of `home_phone`; digits at the end of a word are a count, as in `phone2`. */
function hintOf(word: string): Hint | undefined {
  if (isDigit(word.charCodeAt(0))) return undefined
  const plain = word.toLowerCase().replace(/\d+$/, '')
  return hints.get(plain) ?? hints.get(plain.slice(plain.lastIndexOf('_') + 1))
}
