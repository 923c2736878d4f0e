/** A secret that may be rotated or withdrawn while it is in use. Ask for it each time; keep no copy. */
export interface Secret {
  /** Its key in configuration, e.g. `services.orders.token`: what messages and metrics call it. */
  readonly name: string
  /** The value in force, never empty. Throws `SecretUnavailable` once it is withdrawn. Never waits. */
  current(): string
  /** Whole days since it was made or last changed; undefined when nobody knows. */
  ageDays(): number | undefined
  /** What has happened to it since it was opened; absent for one that is never looked at again. */
  counts?(): SecretCounts
}

export interface SecretCounts {
  /** How often another value has taken over. */
  readonly rotations: number
  /** Looks for it that gave no value to use. */
  readonly failures: number
}

/** There is no value to use: whatever needs it must be refused. */
export class SecretUnavailable extends Error {
  constructor(name: string) {
    super(`The secret of ${name} is withdrawn or cannot be read; nothing that needs it goes on.`)
    this.name = 'SecretUnavailable'
  }
}
