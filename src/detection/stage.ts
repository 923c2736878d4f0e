import { modes, type Mode } from './reaction.ts'

/** How far each rule may go today: off → shadow → ask → enforce. */
export interface Stages {
  readonly default: Mode
  /** By rule name. */
  readonly rules: Readonly<Record<string, Mode>>
}

export function stageOf({ default: otherwise, rules }: Stages, rule: string): Mode {
  return Object.hasOwn(rules, rule) ? rules[rule]! : otherwise
}

/** The weaker of two: a rule's `mode` is the ceiling of its stage. */
export function weaker(one: Mode, other: Mode): Mode {
  return modes.indexOf(one) <= modes.indexOf(other) ? one : other
}
