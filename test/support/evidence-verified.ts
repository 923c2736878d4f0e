import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { verifyEvidence } from '../../src/apps/verify.ts'
import type { VerifyReport } from '../../src/apps/verify.ts'
import { trustJson } from './log-mutator.ts'

/** Runs the product's verifier over a data directory, with the trust of the test deployment. */
export async function verifyDirectory(directory: string): Promise<VerifyReport> {
  writeFileSync(path.join(directory, 'trust.json'), trustJson())
  return verifyEvidence({ path: directory })
}
