import type { Meter } from '@opentelemetry/api'
import { label, metric } from './names.ts'
import { folded } from './series.ts'

/** Counts what happens between the gateway and what it calls. Servers come from configuration, and are bounded all the same. */
export interface ServiceMeters {
  /** A call was not sent: breaker, queue, or its time was up. */
  heldBack(server: string, reason: string): void
  /** A call waited for a place. */
  queued(server: string, ms: number): void
  /** A retry was due: sent, or held back by the retry budget. */
  retry(server: string, result: 'sent' | 'held_back'): void
}

const queueS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20]
const serversMax = 500

export function serviceMeters(meter: Meter): ServiceMeters {
  const held = meter.createCounter(metric.serviceHeldBack, { unit: '{call}' })
  const waits = meter.createHistogram(metric.queueWait, { unit: 's', advice: { explicitBucketBoundaries: queueS } })
  const retries = meter.createCounter(metric.serviceRetries, { unit: '{call}' })
  const servers = folded(serversMax)
  return {
    heldBack: (server, reason) => held.add(1, { [label.server]: servers(server), [label.reason]: reason }),
    queued: (server, ms) => waits.record(ms / 1000, { [label.server]: servers(server) }),
    retry: (server, result) => retries.add(1, { [label.server]: servers(server), [label.result]: result }),
  }
}
