import { describe, expect, it } from 'vitest'
import { rounds, type RoundsOptions } from '../../../src/adapters/rounds.ts'

/** Rounds that end when they are let, with how many have begun and how many ran at one time. */
function held(more: Partial<RoundsOptions> = {}) {
  const seen = { begun: 0, atOnce: 0, most: 0, faults: [] as unknown[] }
  const begun: PromiseWithResolvers<void>[] = []
  const ended: PromiseWithResolvers<void>[] = []
  const at = (all: PromiseWithResolvers<void>[], round: number) => (all[round] ??= Promise.withResolvers<void>())
  const one = rounds({
    everyMs: 1,
    fault: (error) => void seen.faults.push(error),
    async run() {
      const round = ++seen.begun
      seen.most = Math.max(seen.most, ++seen.atOnce)
      at(begun, round).resolve()
      await at(ended, round).promise.finally(() => (seen.atOnce -= 1))
    },
    ...more,
  })
  const end = (round: number) => at(ended, round).resolve()
  const fail = (round: number) => at(ended, round).reject(new Error(`round ${round}`))
  return { ...one, seen, begun: (round: number) => at(begun, round).promise, end, fail }
}

describe('rounds', () => {
  it('come one after the other, and after one that failed, too', async () => {
    const { begun, end, fail, seen, close } = held()
    await begun(1)
    fail(1)
    await begun(2)
    end(2)
    await begun(3)
    expect(seen).toMatchObject({ begun: 3, most: 1, faults: [new Error('round 1')] })
    end(3)
    await close()
  })

  it('begin at once where they are to', async () => {
    const { seen, end, close } = held({ atOnce: true, everyMs: 3_600_000 })
    expect(seen.begun).toBe(1)
    end(1)
    await close()
  })

  it('are over once they are closed, which waits for the one under way', async () => {
    const { begun, end, seen, close } = held()
    await begun(1)
    let closed = false
    const closing = close().then(() => (closed = true))
    await new Promise(setImmediate)
    expect(closed).toBe(false)
    end(1)
    await closing
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(seen.begun).toBe(1)
  })
})
