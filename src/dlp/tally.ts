import type { Finding, Findings, Kind } from './finding.ts'

/** Findings listed one by one; beyond this many only the counts go on. */
const listMax = 10_000

/** Collects findings. */
export interface Tally {
  add(finding: Finding): void
  total(): Findings
}

export function tally(): Tally {
  const kinds = new Map<Kind, number>()
  const list: Finding[] = []
  let count = 0
  return {
    add(finding) {
      if (list.length < listMax) list.push(finding)
      if (finding.reserved === true) return
      count++
      kinds.set(finding.kind, (kinds.get(finding.kind) ?? 0) + 1)
    },
    total: () => ({ count, kinds: Object.fromEntries(kinds), list }),
  }
}
