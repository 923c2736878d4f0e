import type { Context, Hint } from './context.ts'
import type { Groups } from './groups.ts'
import type { KeyFacts } from './keys.ts'

/** A number where it stands: its groups, and what surrounds them. */
export interface Candidate {
  readonly text: string
  readonly run: Groups
  /** It continues something: `a716-4466…`, `2.17.3`. Only firm evidence counts. */
  readonly joined: boolean
  /** The nearest telling word before it, else what the member's name says. Read once, when first asked for. */
  context(): Context | undefined
}

/** What a classifier makes of a candidate: the groups it used, and what they are; without a kind they are only skipped. */
export interface Claim {
  readonly groups: number
  readonly kind?: string
  readonly score?: number
  readonly why?: string
  readonly reserved?: boolean
  /** Where the span really begins and ends, when not at the groups' own edges. */
  readonly start?: number
  readonly end?: number
}

export type Classifier = (candidate: Candidate) => Claim | undefined

const hintOfKind: Readonly<Record<string, Hint>> = {
  phone: 'phone',
  card: 'card',
  ssn: 'ssn',
  iban: 'iban',
  date_of_birth: 'birth',
}

/** What the member's name says counts like a word right before the value. */
export function keyContext(key: KeyFacts | undefined): Context | undefined {
  const hint = key?.isId ? 'other' : hintOfKind[key?.kind ?? '']
  return hint === undefined ? undefined : { hint, wordsBetween: 0 }
}
