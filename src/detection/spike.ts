import type { RobustZ } from './analytic.ts'
import type { Fields } from './event.ts'
import { groupOf, type Feature } from './feature.ts'
import { recent } from './recent.ts'

const groupsMax = 5_000
/** Newest samples kept per group; older ones go. */
const samplesMax = 500

/** Makes the median absolute deviation of normal data its standard deviation (Rousseeuw and Croux, 1993). */
const consistency = 1.4826

/**
 * How many robust standard deviations a value lies above the group's median: (x − median) / (1.4826 · max(MAD, floor)).
 * Null until `min_samples` quiet samples. A single enormous value moves neither median nor MAD.
 */
export function robustZ(name: string, { of, by, transform, min_samples, floor_mad }: RobustZ): Feature {
  const groups = recent<readonly number[]>({ countMax: groupsMax })
  const sampleOf = (fields: Fields) => {
    const value = fields[of]
    if (typeof value !== 'number' || !Number.isFinite(value)) return undefined
    return transform === 'log1p' ? Math.log1p(Math.max(0, value)) : value
  }

  return {
    read(fields) {
      const x = sampleOf(fields)
      if (x === undefined) return {}
      const samples = groups.get(groupOf(fields, by) ?? '') ?? []
      return { [name]: samples.length < min_samples ? null : deviation(x, samples, floor_mad) }
    },
    learn(fields, _atMs, quiet) {
      const x = sampleOf(fields)
      const key = groupOf(fields, by)
      if (x === undefined || key === undefined || !quiet) return
      groups.put(key, [...(groups.get(key) ?? []).slice(1 - samplesMax), x])
    },
    prime(key, { spread }) {
      if (!spread) return
      const { n, median, mad } = spread
      groups.put(
        key,
        Array.from({ length: n }, (_, index) => median + ((index % 3) - 1) * mad),
      )
    },
    snapshot: () => [...groups.entries()].map(([key, samples]) => [key, [...samples]]),
    restore(state) {
      groups.clear()
      for (const [key, samples] of state as unknown as readonly [string, number[]][]) groups.put(key, samples)
    },
    evicted: () => groups.evicted,
  }
}

function deviation(x: number, samples: readonly number[], floor: number): number {
  const middle = medianOf(samples)
  const mad = medianOf(samples.map((sample) => Math.abs(sample - middle)))
  return (x - middle) / (consistency * Math.max(mad, floor))
}

function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
