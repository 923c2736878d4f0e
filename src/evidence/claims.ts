import { verify } from 'node:crypto'
import type { Claim } from './head.ts'
import type { Problem } from './problem.ts'

/** Claims that are gathered before they are checked side by side. */
const batchMax = 256

/** Checks signatures, in any order, and gives the problems of those that do not hold. */
export interface Claims {
  add(claims: readonly Claim[]): Promise<void>
  /** Waits for all that was added. */
  settle(): Promise<readonly Problem[]>
}

/** Checks each signature as it comes when `jobs` is 1, else that many at a time on Node's thread pool (four threads unless UV_THREADPOOL_SIZE says more). */
export function claimsChecker(jobs: number): Claims {
  const problems: Problem[] = []
  let gathered: Claim[] = []
  let running: Promise<void> = Promise.resolve()

  const check = async (claim: Claim) => {
    if (jobs > 1 ? await holdsAside(claim) : holds(claim)) return
    problems.push(refuted(claim))
  }
  const flush = async () => {
    const batch = gathered
    gathered = []
    await running
    // The next lines are read and hashed while these are checked.
    running = inLanes(batch, jobs, check)
  }
  return {
    async add(claims) {
      if (jobs <= 1) {
        for (const claim of claims) if (!holds(claim)) problems.push(refuted(claim))
        return
      }
      gathered.push(...claims)
      if (gathered.length >= batchMax) await flush()
    },
    async settle() {
      await flush()
      await running
      return problems
    },
  }
}

async function inLanes(batch: readonly Claim[], lanes: number, check: (claim: Claim) => Promise<void>): Promise<void> {
  const rest = batch.values()
  const lane = async () => {
    for (const claim of rest) await check(claim)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

function holds({ message, publicKey, signature }: Claim): boolean {
  return verify(null, message, publicKey, signature)
}

function holdsAside({ message, publicKey, signature }: Claim): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(null, message, publicKey, signature, (error, held) => (error ? reject(error) : resolve(held)))
  })
}

function refuted(claim: Claim): Problem {
  const { other, otherwise } = claim
  if (other === undefined || !holds({ ...claim, publicKey: other })) return otherwise
  return { ...otherwise, code: 'WRONG_KEY_PURPOSE', message: 'The record is signed with the checkpoint key.' }
}
