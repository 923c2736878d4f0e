import { createHash } from 'node:crypto'
import { canonicalize } from '../evidence/canonical.ts'
import type { JsonObject } from '../ports/json.ts'
import type { LoadedRule } from './load.ts'

/** SHA-256, hex, over the canonical documents in order of their ids. Examples do not count: more of them change no meaning. */
export function ruleSetDigest(rules: readonly Pick<LoadedRule, 'source'>[]): string {
  const documents = rules
    .map(({ source: { tests: _, ...meaning } }): JsonObject => meaning as JsonObject)
    .sort((one, other) => (String(one['id']) < String(other['id']) ? -1 : 1))
  return createHash('sha256').update(canonicalize(documents)).digest('hex')
}
