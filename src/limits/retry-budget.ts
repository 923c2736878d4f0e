/** Keeps retries a small part of the load: a storm of failures must not become a storm of calls. */
export interface RetryBudget {
  /** A first attempt was made: it pays for a part of a retry. */
  earn(): void
  /** Pays for one retry; false when there is nothing left for it. */
  spend(): boolean
}

/** Retries that are paid for before anything was earned, and the most that is ever saved up. */
export const savedMax = 10

/** Retries per first attempt, in the long run. */
const share = 0.1

/** At most one retry for ten first attempts, beside the `savedMax` that a quiet time has saved up. */
export function retryBudget(): RetryBudget {
  let saved = savedMax
  return {
    earn: () => void (saved = Math.min(savedMax, saved + share)),
    spend() {
      // Ten tenths are a little less than one.
      if (saved < 1 - 1e-9) return false
      saved -= 1
      return true
    },
  }
}
