import { setTimeout as wait } from 'node:timers/promises'

/** How a Kafka cluster is reached, whichever driver does it. */
export interface KafkaSettings {
  /** `host:port` each. */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly tls?: {
    /** PEM; the system's own roots where absent. */
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
  }
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  }
  /** Hears what the driver has to say: one line each, never a record's content. */
  readonly report: (line: { readonly level: 'warn' | 'error'; readonly kafka: string }) => void
}

/** Until a connection or an answer is given up, ms. */
export const patienceMs = 3_000

/** A member that is silent this long is out of its group, ms. */
export const sessionMs = 10_000

/** Most that is fetched of one partition at once, bytes. */
export const fetchBytesMax = 1024 * 1024

/** Records handled between two heartbeats, at most. */
export const handledAtOnceMax = 500

/** Waits before trying again after so many failures, ms: doubled from a quarter of a second to thirty. */
export function backoffMs(failures: number): number {
  return Math.min(30_000, 250 * 2 ** Math.min(failures, 10))
}

/** Attempts at a first connection: a cluster that has just started answers "not yet" for some seconds. */
const firstAttempts = 6

/** Tries until it works, for about eight seconds; then rejects with the last error. */
export async function patiently<Made>(make: () => Promise<Made>): Promise<Made> {
  for (let failures = 0; ; failures++)
    try {
      return await make()
    } catch (error) {
      if (failures + 1 === firstAttempts) throw error
      await wait(backoffMs(failures))
    }
}

/** The driver is not part of every installation: it is imported when a configuration names it. */
export async function driver<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Error(`bus: The driver ${name} is not installed: run "npm install ${name}" where sluicegate is.`, {
      cause: error,
    })
  }
}
