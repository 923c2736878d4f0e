import { once } from 'node:events'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { denial, intent, openTestLog, outcome } from './evidence.ts'
import type { Acknowledged } from './kill-loop.ts'

/*
 * A process that appends to an evidence log as fast as it can and tells its parent what was acknowledged. It is killed,
 * not stopped.
 */

const [, , directory = '', name = ''] = process.argv
// Started ahead of time: the log opens when the child before this one is dead.
await once(process, 'message')
const log = await openTestLog({ directory, clock: systemClock() })
tell([])

async function caller(id: number): Promise<void> {
  for (let index = 0; ; index++) {
    const call = `${name}-${id}-${index}`
    for (const entry of index % 3 === 0 ? [denial(call)] : [intent(call), outcome(call)]) {
      const { stream, seq, leaf } = await log.append(entry)
      tell([{ stream, seq, leaf }])
    }
  }
}

function tell(message: readonly Acknowledged[]): void {
  process.send?.(message)
}

await Promise.all(Array.from({ length: 8 }, (_, id) => caller(id)))
