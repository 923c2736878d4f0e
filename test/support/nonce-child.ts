import { callAtOnce, marksIn, nonceClients, nonceGateway, type Foreign } from './nonce-clients.ts'

/** What one gateway and its clients came to. */
export interface Interleaved {
  readonly calls: number
  /** What was wrong with answers; the first few. */
  readonly found: readonly Foreign[]
  /** Marks of clients in what the gateway told its operators. */
  readonly told: readonly string[]
}

/*
 * A gateway of its own with so many clients at once, until they have made so many calls: `nonce-child.ts CALLS CLIENTS`.
 * Says what it came to.
 */

const [calls = 0, count = 0] = process.argv.slice(2).map(Number)
/** A token lives ten minutes: on a slow machine, too, they are enough for this many calls of each client. */
const perToken = 100

const gateway = await nonceGateway(count)
const found: Foreign[] = []
let done = 0
while (done < calls) {
  const each = Math.min(perToken, Math.ceil((calls - done) / count))
  found.push(...(await callAtOnce(gateway.mcp, nonceClients(gateway, count), each)))
  done += each * count
}
const told = gateway.reported.flatMap((line) => marksIn(JSON.stringify(line)))
await gateway.close()
process.send?.({ calls: done, found: found.slice(0, 20), told } satisfies Interleaved)
process.disconnect?.()
