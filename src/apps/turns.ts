/** Nobody gave way in time. Nothing was done. */
export class Busy extends Error {
  constructor() {
    super('Somebody else was at it for too long.')
    this.name = 'Busy'
  }
}

/** Lets work on one thing happen one after the other, in the order it was asked for. Holds a thing only while somebody works on it. */
export interface Turns {
  /** Runs the work once those before it have ended. Rejects with `Busy`, having done nothing, after `waitMs`. */
  take<T>(key: string, waitMs: number, work: () => Promise<T>): Promise<T>
}

export function turns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    async take(key, waitMs, work) {
      const before = last.get(key) ?? Promise.resolve()
      const { promise: mine, resolve: done } = Promise.withResolvers<void>()
      const tail = before.then(() => mine)
      last.set(key, tail)
      try {
        await inTime(before, waitMs)
        return await work()
      } finally {
        done()
        if (last.get(key) === tail) last.delete(key)
      }
    },
  }
}

async function inTime(before: Promise<unknown>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(new Busy()), waitMs)))
  await Promise.race([before, late]).finally(() => clearTimeout(timer))
}
