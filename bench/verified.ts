import { verifyEvidence } from '../src/apps/verify.ts'

/** What the product's own verifier says of a data directory, and how fast. */
export interface Verified {
  readonly records: number
  readonly perS: number
  /** What it found first, if anything. */
  readonly problem?: string
}

/** Verifies a data directory against its own trust file; `quick` leaves the record signatures out. */
export async function verified(data: string, quick: boolean): Promise<Verified> {
  const beganMs = performance.now()
  const { ok, records, problems } = await verifyEvidence({ path: data, quick })
  const perS = (records / (performance.now() - beganMs)) * 1000
  return { records, perS, ...(!ok && { problem: `the evidence does not verify: ${JSON.stringify(problems[0])}` }) }
}
