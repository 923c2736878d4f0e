import { builtInKinds } from './kinds.ts'
import { isDigit, isWord } from './letters.ts'

/** What a word before a number says about it. `other` means an id, an order, a version: not a person's number. */
export type Hint = 'phone' | 'card' | 'ssn' | 'iban' | 'birth' | 'other' | NationalHint
type NationalHint = 'nhs' | 'aadhaar' | 'pesel' | 'tfn' | 'sin' | 'dni'

/** How many characters before a number are read for words, and how many words. */
export const reach = 48
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

/** No word is longer than the longest that tells something. */
const longest = Math.max(...[...hints.keys()].map((word) => word.length))

/** Our own masks and hashes are full of telling words; reading stops at the last of them. */
const ours = new RegExp(`\\*\\*\\*|<(?:${builtInKinds.join('|')})>|:[A-Za-z0-9_-]{1,32}:[A-Z2-7]{16}`, 'g')

/** What stands before a position: the nearest telling word, and how many plain words lie between. */
export interface Context {
  readonly hint: Hint
  readonly wordsBetween: number
}

/** Reads whole words backwards, so that "Smartphone" is no phone. Looks at most at `reach` characters. */
export function contextBefore(text: string, start: number): Context | undefined {
  const least = firstRead(text, start)
  let end = start
  for (let between = 0; between < wordsMax; between++) {
    while (end > least && !isWord(text.charCodeAt(end - 1))) end--
    let from = end
    while (from > least && isWord(text.charCodeAt(from - 1))) from--
    // The earliest word may begin before the part that is read; half a word says nothing.
    if (from === end || (from === least && isWord(text.charCodeAt(from - 1)))) return undefined
    const hint = isDigit(text.charCodeAt(from)) ? undefined : hintOf(text.slice(from, end))
    if (hint !== undefined) return { hint, wordsBetween: between }
    end = from
  }
  return undefined
}

/** Where reading stops: `reach` characters before, or the end of the last mask or hash of ours in them. */
function firstRead(text: string, start: number): number {
  const least = Math.max(0, start - reach)
  let at = start
  while (at > least && !maySignOurs(text.charCodeAt(at - 1))) at--
  if (at === least) return least
  let after = 0
  for (const found of text.slice(least, start).matchAll(ours)) after = found.index + found[0].length
  return least + after
}

/** An asterisk, a colon or `<`: there is one in each of them. */
const maySignOurs = (code: number): boolean => code === 42 || code === 58 || code === 60

/** Also the last part of `home_phone`; digits at the end of a word are a count, as in `phone2`. */
function hintOf(word: string): Hint | undefined {
  let end = word.length
  while (isDigit(word.charCodeAt(end - 1))) end--
  const from = word.lastIndexOf('_', end - 1) + 1
  if (end - from > longest && end > longest) return undefined
  const plain = word.slice(0, end).toLowerCase()
  return hints.get(plain) ?? (from > 0 ? hints.get(plain.slice(from)) : undefined)
}
