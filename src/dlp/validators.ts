/** Checks on digits already gathered. A checksum alone never decides: see `numbers.ts` for what must stand beside it. */

/** Luhn's check (ISO/IEC 7812-1), as cards and Canadian SINs carry it. */
export function luhn(digits: string): boolean {
  let sum = 0
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    const digit = digits.charCodeAt(i) - 48
    sum += double ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit
  }
  return sum % 10 === 0
}

interface Issuer {
  readonly from: number
  readonly to: number
  /** How many leading digits `from` and `to` have. */
  readonly prefix: number
  readonly lengths: readonly number[]
}

const long = [16, 17, 18, 19]

/** Issuer ranges and the lengths in use, from the networks' public tables (ISO/IEC 7812). */
const issuers: readonly Issuer[] = [
  { from: 4, to: 4, prefix: 1, lengths: [13, 16, 19] },
  { from: 51, to: 55, prefix: 2, lengths: [16] },
  { from: 2221, to: 2720, prefix: 4, lengths: [16] },
  { from: 34, to: 34, prefix: 2, lengths: [15] },
  { from: 37, to: 37, prefix: 2, lengths: [15] },
  { from: 300, to: 305, prefix: 3, lengths: [14, ...long] },
  { from: 36, to: 36, prefix: 2, lengths: [14, ...long] },
  { from: 38, to: 39, prefix: 2, lengths: [14, ...long] },
  { from: 6011, to: 6011, prefix: 4, lengths: long },
  { from: 644, to: 649, prefix: 3, lengths: long },
  { from: 65, to: 65, prefix: 2, lengths: long },
  { from: 3528, to: 3589, prefix: 4, lengths: long },
  { from: 1800, to: 1800, prefix: 4, lengths: [15] },
  { from: 2131, to: 2131, prefix: 4, lengths: [15] },
  { from: 62, to: 62, prefix: 2, lengths: long },
]

/** True when some network issues numbers that begin and end like this. Maestro's wide range needs context instead. */
export function cardIssued(digits: string): boolean {
  return issuers.some(({ from, to, prefix, lengths }) => {
    const head = Number(digits.slice(0, prefix))
    return head >= from && head <= to && lengths.includes(digits.length)
  })
}

/** Length of an IBAN by country, from the SWIFT registry (ISO 13616), as of 2025. */
const ibanLengths: Readonly<Record<string, number>> = {
  AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BR: 29, BY: 28, CH: 21, CR: 22, CY: 28, CZ: 24,
  DE: 22, DK: 18, DO: 28, EE: 20, EG: 29, ES: 24, FI: 18, FO: 18, FR: 27, GB: 22, GE: 22, GI: 23, GL: 18, GR: 27, GT: 28,
  HR: 21, HU: 28, IE: 22, IL: 23, IQ: 23, IS: 26, IT: 27, JO: 30, KW: 30, KZ: 20, LB: 28, LC: 32, LI: 21, LT: 20, LU: 20,
  LV: 21, LY: 25, MC: 27, MD: 24, ME: 22, MK: 19, MR: 27, MT: 31, MU: 30, NL: 18, NO: 15, PK: 24, PL: 28, PS: 29, PT: 25,
  QA: 29, RO: 24, RS: 22, SA: 24, SC: 31, SE: 24, SI: 19, SK: 24, SM: 27, ST: 25, SV: 28, TL: 23, TN: 24, TR: 26, UA: 29,
  VA: 22, VG: 24, XK: 20,
} // prettier-ignore

/** The registered length for the country an IBAN begins with; undefined where none is registered. */
export function ibanLength(country: string): number | undefined {
  return Object.hasOwn(ibanLengths, country) ? ibanLengths[country] : undefined
}

/** ISO 7064 mod 97-10 over an upper-case IBAN without spaces. */
export function mod97(iban: string): boolean {
  let rest = 0
  for (let i = 0; i < iban.length; i++) {
    const code = iban.charCodeAt((i + 4) % iban.length)
    const value = code <= 57 ? code - 48 : code - 55
    rest = (value > 9 ? rest * 100 + value : rest * 10 + value) % 97
  }
  return rest === 1
}

/** True for an area the Social Security Administration may have issued, or an ITIN's (9xx). */
export function ssnPossible(digits: string): boolean {
  const area = digits.slice(0, 3)
  return area !== '000' && area !== '666' && ssnCounted(digits)
}

/** Groups count from 01 and serials from 0001. */
export function ssnCounted(digits: string): boolean {
  return digits.slice(3, 5) !== '00' && digits.slice(5) !== '0000'
}

/** Numbers printed on sample cards and in leaflets for decades; nobody's. */
export function ssnIsSample(digits: string): boolean {
  return digits === '078051120' || digits === '219099999'
}

/** Weighted sum of the leading digits. */
function weighted(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, i) => sum + weight * (digits.charCodeAt(i) - 48), 0)
}

/** United Kingdom NHS number: ten digits, mod 11. */
export function nhs(digits: string): boolean {
  const check = (11 - (weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 11
  return digits.length === 10 && check === Number(digits[9])
}

/** Poland's PESEL: eleven digits, mod 10. */
export function pesel(digits: string): boolean {
  return digits.length === 11 && weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0
}

/** Australian tax file number: nine digits, mod 11. */
export function tfn(digits: string): boolean {
  return digits.length === 9 && weighted(digits, [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 === 0
}

/** Canadian social insurance number: nine digits, Luhn. */
export function sin(digits: string): boolean {
  return digits.length === 9 && digits[0] !== '0' && luhn(digits)
}

const verhoeffProduct = [
  '0123456789', '1234067895', '2340178956', '3401289567', '4012395678',
  '5987604321', '6598710432', '7659821043', '8765932104', '9876543210',
] // prettier-ignore
const verhoeffShift = [
  '0123456789', '1576283094', '5803796142', '8916043527', '9453126870', '4286573901', '2793806415', '7046913258',
] // prettier-ignore

/** India's Aadhaar: twelve digits, not beginning with 0 or 1, Verhoeff's check. */
export function aadhaar(digits: string): boolean {
  let check = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i])
    check = Number(verhoeffProduct[check]?.[Number(verhoeffShift[i % 8]?.[digit])])
  }
  return digits.length === 12 && digits >= '2' && check === 0
}

/** Spain's DNI letter for eight digits. */
export function dniLetter(digits: string): string {
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(digits) % 23] ?? ''
}
