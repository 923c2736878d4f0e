/** Counts work that must not be cut off, so that a listener can end when none is left. */
export interface UnderWay {
  /** Counts this work until it has settled, and gives it back. */
  during<T>(work: Promise<T>): Promise<T>
  /** Resolves when nothing is under way, after `timeoutMs` at the latest. */
  idle(timeoutMs: number): Promise<void>
}

export function underWay(): UnderWay {
  const works = new Set<Promise<unknown>>()
  const none = async () => {
    while (works.size > 0) await Promise.allSettled(works)
  }
  return {
    during(work) {
      const counted = work.finally(() => works.delete(counted))
      works.add(counted)
      return counted
    },
    async idle(timeoutMs) {
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, timeoutMs)
      await Promise.race([none(), late.promise])
      clearTimeout(timer)
    },
  }
}

/** How long a stopping listener waits for calls under way, and then for those it had to abort to be written down. */
export interface DrainTimes {
  readonly drainMs: number
  readonly abortMs: number
}

/** A container is given ten seconds between SIGTERM and SIGKILL; alerts, spans and the last checkpoint need some of them. */
export const drainTimes: DrainTimes = { drainMs: 6_000, abortMs: 1_000 }
