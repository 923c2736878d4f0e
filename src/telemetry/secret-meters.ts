import type { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { Secret } from '../ports/secret.ts'
import { label, metric } from './names.ts'
import { folded } from './series.ts'

/** Most secrets with a series of their own. */
const secretsMax = 200

/** Shows, whenever somebody looks, how many days old each secret is and whether it can be used; by its key, never by its place. */
export function watchSecrets(provider: MeterProvider, secrets: () => readonly Secret[]): void {
  const meter = provider.getMeter('sluicegate')
  const names = folded(secretsMax)
  meter.createObservableGauge(metric.secretAge, { unit: 'd' }).addCallback((seen) => {
    for (const secret of secrets()) {
      const days = secret.ageDays()
      if (days !== undefined) seen.observe(days, { [label.secret]: names(secret.name) })
    }
  })
  meter.createObservableGauge(metric.secretAvailable).addCallback((seen) => {
    for (const secret of secrets()) seen.observe(isUsable(secret) ? 1 : 0, { [label.secret]: names(secret.name) })
  })
}

function isUsable(secret: Secret): boolean {
  try {
    return secret.current() !== ''
  } catch {
    return false
  }
}
