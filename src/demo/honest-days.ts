/** A tool an honest agent calls, by its first letter: export orders, set a flag, fetch a page, update contacts. */
export type Tool = 'orders.export' | 'flag.set' | 'web.fetchSafe' | 'crm.bulk_update'

/** How often agents string tools together which way. Weights, not shares. */
const honestChains: readonly { readonly weight: number; readonly tools: readonly Tool[] }[] = [
  { weight: 20, tools: ['orders.export'] },
  { weight: 14, tools: ['flag.set'] },
  { weight: 10, tools: ['web.fetchSafe'] },
  { weight: 8, tools: ['crm.bulk_update'] },
  { weight: 8, tools: ['orders.export', 'orders.export'] },
  { weight: 6, tools: ['flag.set', 'flag.set'] },
  { weight: 10, tools: ['orders.export', 'web.fetchSafe'] },
  { weight: 9, tools: ['orders.export', 'crm.bulk_update'] },
  { weight: 8, tools: ['orders.export', 'flag.set'] },
  { weight: 6, tools: ['flag.set', 'orders.export'] },
  { weight: 6, tools: ['web.fetchSafe', 'orders.export'] },
  { weight: 5, tools: ['crm.bulk_update', 'orders.export'] },
  { weight: 5, tools: ['orders.export', 'flag.set', 'orders.export'] },
  { weight: 4, tools: ['orders.export', 'crm.bulk_update', 'orders.export'] },
  { weight: 4, tools: ['orders.export', 'web.fetchSafe', 'orders.export'] },
  { weight: 3, tools: ['web.fetchSafe', 'orders.export', 'crm.bulk_update'] },
  { weight: 3, tools: ['flag.set', 'orders.export', 'web.fetchSafe'] },
]

/** Vendors a tenant's agents talk to on most days, with a few kilobytes at most. */
export const honestVendors: Readonly<Record<string, readonly string[]>> = {
  acme: ['carrier-rates.example', 'tax-lookup.example', 'status-board.example'],
  globex: ['carrier-rates.example', 'vat-check.example', 'status-board.example'],
  initech: ['carrier-rates.example', 'address-check.example', 'status-board.example'],
}

export const honestActors: readonly string[] = [
  'agent:fulfilment',
  'agent:release',
  'agent:support',
  'agent:analytics',
  'agent:partner-sync',
]

/** Deterministic numbers in [0, 1) from a seed (mulberry32, public domain). */
export function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** One of the chains, by weight. */
export function chainFor(roll: number): readonly Tool[] {
  const total = honestChains.reduce((sum, { weight }) => sum + weight, 0)
  let left = roll * total
  for (const { weight, tools } of honestChains) {
    left -= weight
    if (left < 0) return tools
  }
  return honestChains[0]!.tools
}
