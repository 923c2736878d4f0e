import { hasShape, sameGap, sizeOf } from './groups.ts'
import { digitsOf } from './letters.ts'
import type { Candidate, Claim } from './candidate.ts'
import { aadhaar, dniLetter, nhs, pesel, sin, ssnCounted, ssnIsSample, ssnPossible, tfn } from './validators.ts'

/**
 * A United States social security number (or ITIN). `ddd-dd-dddd` always: separators are evidence, and an area never issued
 * only lowers the score. Spaces, or nine bare digits, need a word for it.
 */
export function ssnOf(candidate: Candidate): Claim | undefined {
  const { text, run } = candidate
  const shaped = hasShape(run, [3, 2, 4], (gap) => gap === '-' || gap === ' ') && sameGap(run, 3, '- ')
  const groups = shaped ? 3 : sizeOf(run, 0) === 9 ? 1 : 0
  if (groups === 0) return undefined
  const digits = digitsOf(text.slice(run.start[0], run.end[groups - 1]))
  if (ssnIsSample(digits)) return { groups }
  const score = ssnPossible(digits) ? 0.9 : 0.6
  if (shaped && run.gap[1] === '-' && !candidate.joined && ssnCounted(digits))
    return { groups, kind: 'ssn', score, why: 'shape' }
  return candidate.context()?.hint === 'ssn' ? { groups, kind: 'ssn', score, why: 'context' } : undefined
}

/** A calendar date: skipped, or a date of birth after a word for it. */
export function dateOf(candidate: Candidate): Claim | undefined {
  const { run } = candidate
  if (run.count < 3 || !sameGap(run, 3, '-./') || run.gap[3] === run.gap[1] || !isDate(candidate)) return undefined
  const isBirth = candidate.context()?.hint === 'birth'
  return isBirth ? { groups: 3, kind: 'date_of_birth', score: 0.8, why: 'context' } : { groups: 3 }
}

function isDate({ text, run }: Candidate): boolean {
  const [a = 0, b = 0, c = 0] = [0, 1, 2].map((i) => Number(text.slice(run.start[i], run.end[i])))
  const sizes = [0, 1, 2].map((i) => sizeOf(run, i))
  if (sizes[0] === 4) return isYear(a) && isDayOrMonth(b, sizes[1]) && isDayOrMonth(c, sizes[2])
  const year = sizes[2] === 4 ? isYear(c) : sizes[2] === 2
  return year && isDayOrMonth(a, sizes[0]) && isDayOrMonth(b, sizes[1]) && (a <= 12 || b <= 12)
}

function isYear(value: number): boolean {
  return value >= 1850 && value <= 2150
}

function isDayOrMonth(value: number, size = 0): boolean {
  return size >= 1 && size <= 2 && value >= 1 && value <= 31
}

const national = {
  nhs: { sizes: [[10], [3, 3, 4]], checks: nhs },
  aadhaar: { sizes: [[12], [4, 4, 4]], checks: aadhaar },
  pesel: { sizes: [[11]], checks: pesel },
  tfn: { sizes: [[9], [3, 3, 3]], checks: tfn },
  sin: { sizes: [[9], [3, 3, 3]], checks: sin },
}

/** National numbers of other countries: always both the word and the checksum. */
export function nationalOf(candidate: Candidate): Claim | undefined {
  const { text, run } = candidate
  const hint = candidate.run.count > 0 && sizeOf(run, 0) >= 3 ? candidate.context()?.hint : undefined
  if (hint === 'dni') return dniOf(candidate)
  if (hint === undefined || !Object.hasOwn(national, hint)) return undefined
  const { sizes, checks } = national[hint as keyof typeof national]
  const shape = sizes.find((shape) => hasShape(run, shape, (gap) => gap === ' ' || gap === '-'))
  if (shape === undefined || !checks(digitsOf(text.slice(run.start[0], run.end[shape.length - 1])))) return undefined
  return { groups: shape.length, kind: 'national_id', score: 0.85, why: 'checksum' }
}

function dniOf({ text, run }: Candidate): Claim | undefined {
  const end = run.end[0] ?? 0
  const at = text[end] === '-' ? end + 1 : end
  if (sizeOf(run, 0) !== 8 || text[at]?.toUpperCase() !== dniLetter(text.slice(run.start[0], end))) return undefined
  return { groups: 1, kind: 'national_id', score: 0.85, why: 'checksum', end: at + 1 }
}
