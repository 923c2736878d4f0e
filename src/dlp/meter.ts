/** How much of a value is looked at before it is withheld. Sizes count UTF-16 units. */
export interface Limits {
  readonly depthMax: number
  readonly nodesMax: number
  readonly leafSizeMax: number
  readonly totalSizeMax: number
  /** Characters looked at, over all passes and views. Steps, not time: the same input always ends the same way. */
  readonly stepsMax: number
}

export const defaultLimits: Limits = {
  depthMax: 64,
  nodesMax: 200_000,
  leafSizeMax: 1_048_576,
  totalSizeMax: 8_388_608,
  stepsMax: 268_435_456,
}

/** A value is too deep, too large or too costly to be judged; it must be withheld, never passed. */
export class ScanLimit extends Error {
  readonly limit: keyof Limits
  constructor(limit: keyof Limits, max: number) {
    super(`The value goes beyond what can be scanned (${limit} ${max}).`)
    this.name = 'ScanLimit'
    this.limit = limit
  }
}

/** Counts the work of one scan. Every method throws `ScanLimit` once its limit is passed. */
export interface Meter {
  readonly steps: number
  step(count: number): void
  node(depth: number): void
  leaf(size: number): void
}

export function meter(limits: Limits): Meter {
  let steps = 0
  let nodes = 0
  let total = 0
  return {
    get steps() {
      return steps
    },
    step(count) {
      if ((steps += count) > limits.stepsMax) throw new ScanLimit('stepsMax', limits.stepsMax)
    },
    node(depth) {
      if (depth > limits.depthMax) throw new ScanLimit('depthMax', limits.depthMax)
      if (++nodes > limits.nodesMax) throw new ScanLimit('nodesMax', limits.nodesMax)
    },
    leaf(size) {
      if (size > limits.leafSizeMax) throw new ScanLimit('leafSizeMax', limits.leafSizeMax)
      if ((total += size) > limits.totalSizeMax) throw new ScanLimit('totalSizeMax', limits.totalSizeMax)
    },
  }
}
