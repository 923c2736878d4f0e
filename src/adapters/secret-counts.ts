import { createHmac, randomBytes } from 'node:crypto'
import type { SecretCounts } from '../ports/secret.ts'

/** Counts what happens to a secret. */
export interface SecretCounter {
  /** A look gave this value. */
  found(value: string): void
  /** A look gave none that can be used. */
  failed(): void
  counts(): SecretCounts
}

/** One for each secret. Keeps no value, only what tells one from another. */
export function secretCounter(): SecretCounter {
  const key = randomBytes(32)
  let last: string | undefined
  let [rotations, failures] = [0, 0]
  return {
    found(value) {
      const mark = createHmac('sha256', key).update(value).digest('base64')
      if (last !== undefined && last !== mark) rotations += 1
      last = mark
    },
    failed: () => void (failures += 1),
    counts: () => ({ rotations, failures }),
  }
}
