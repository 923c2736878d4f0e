import { createHash } from 'node:crypto'
import { canonicalize } from '../evidence/canonical.ts'
import type { JsonObject } from '../ports/json.ts'
import type { LoadedRule } from './load.ts'

/** SHA-256, hex, over the canonical documents in order of their text. Examples do not count: more of them change no meaning. */
export function ruleSetDigest(rules: readonly Pick<LoadedRule, 'source'>[]): string {
  const documents = rules
    .map(({ source }): JsonObject => Object.fromEntries(Object.entries(source).filter(([key]) => key !== 'tests')))
    .map((document) => canonicalize(document))
    .sort()
  return createHash('sha256')
    .update(`[${documents.join(',')}]`)
    .digest('hex')
}
