import type { ObservableResult } from '@opentelemetry/api'
import type { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { Secret } from '../ports/secret.ts'
import { label, metric } from './names.ts'
import { folded } from './series.ts'

/** Most secrets with a series of their own. */
const secretsMax = 200

type Observe = (seen: ObservableResult) => void

/**
 * Shows, whenever somebody looks, how many days old each secret is, whether it can be used, and how often it was rotated or
 * could not be had; by its key, never by its place. Where several share a series, it is that of the worst.
 */
export function watchSecrets(provider: MeterProvider, secrets: () => readonly Secret[]): void {
  const meter = provider.getMeter('sluicegate')
  const names = folded(secretsMax)

  /** Of each series what its secrets say together; nothing of those that say nothing. */
  function together(of: (secret: Secret) => number | undefined, join: (one: number, other: number) => number) {
    const values = new Map<string, number>()
    for (const secret of new Set(secrets())) {
      const [name, value] = [names(secret.name), of(secret)]
      const known = values.get(name)
      if (value !== undefined) values.set(name, known === undefined ? value : join(known, value))
    }
    return values
  }

  const total = (of: (secret: Secret) => number | undefined): Observe => {
    return (seen) =>
      observe(
        seen,
        together(of, (one, other) => one + other),
      )
  }

  meter
    .createObservableGauge(metric.secretAge, { unit: 'd' })
    .addCallback(current(() => together((secret) => secret.ageDays(), Math.max)))
  meter
    .createObservableGauge(metric.secretAvailable)
    .addCallback(current(() => together((secret) => (isUsable(secret) ? 1 : 0), Math.min)))
  meter
    .createObservableCounter(metric.secretRotations, { unit: '{rotation}' })
    .addCallback(total((secret) => secret.counts?.().rotations))
  meter
    .createObservableCounter(metric.secretFailures, { unit: '{look}' })
    .addCallback(total((secret) => secret.counts?.().failures))
}

/** A series that is shown once goes on with its last value: what has none any more must say so. */
function current(read: () => ReadonlyMap<string, number>): Observe {
  const shown = new Set<string>()
  return (seen) => {
    const values = read()
    for (const name of values.keys()) shown.add(name)
    observe(seen, new Map([...shown].map((name) => [name, values.get(name) ?? Number.NaN])))
  }
}

function observe(seen: ObservableResult, values: ReadonlyMap<string, number>): void {
  for (const [name, value] of values) seen.observe(value, { [label.secret]: name })
}

function isUsable(secret: Secret): boolean {
  try {
    return secret.current() !== ''
  } catch {
    return false
  }
}
