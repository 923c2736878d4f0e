import type { Binding } from './principal.ts'
import type { ProvenToken } from './token.ts'

/** What a proof holds: the token that was proven, how it was shown, and whether it was taken for its sender. */
export interface Held {
  readonly token: ProvenToken
  readonly binding: Binding
  /** Set once the token was taken for its sender: true when nobody else can use it. */
  readonly tied?: boolean
}

/**
 * Stands for a token that was proven in this process, so that it is proven once per request and not at every step.
 * Only code can make one: nothing that was read from a wire, however it looks, is a proof.
 */
export class Proof {
  readonly #held: Held

  constructor(held: Held) {
    this.#held = held
  }

  /** What a proof holds; undefined for anything else. */
  static read(value: unknown): Held | undefined {
    return typeof value === 'object' && value !== null && #held in value ? value.#held : undefined
  }
}
