import type { Clock } from '../ports/clock.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Secrets } from './secrets.ts'

export interface SecretAgesOptions {
  readonly inUse: () => Pick<Secrets, 'list' | 'rotationDays'>
  readonly clock: Clock
  readonly report: (line: JsonObject) => void
}

/** How often ages are looked at, milliseconds. */
const lookEveryMs = 3_600_000

const dayNs = 86_400_000_000_000n

export interface SecretAges {
  /** Reports each secret that is too old, once a day. */
  look(): void
  close(): Promise<void>
}

/** Reports secrets that nobody has rotated in time: now, and then once a day for as long as they are too old. */
export function secretAges({ inUse, clock, report }: SecretAgesOptions): SecretAges {
  const toldNs = new Map<string, bigint>()

  function look(): void {
    const nowNs = clock.monoNs()
    const { rotationDays } = inUse()
    const secrets = inUse().list()
    const old = secrets.filter(({ name, ageDays }) => isOld(ageDays(), rotationDays) && isDue(toldNs.get(name), nowNs))
    for (const { name, ageDays } of old) {
      toldNs.set(name, nowNs)
      const message = `The secret of ${name} is ${ageDays()} days old; replace it (at most ${rotationDays} days).`
      report({ level: 'warn', secret: name, ageDays: ageDays() ?? 0, message })
    }
    for (const name of toldNs.keys()) if (!secrets.some((one) => one.name === name)) toldNs.delete(name)
  }

  const timer = setInterval(look, lookEveryMs).unref()
  look()
  return { look, close: async () => clearInterval(timer) }
}

/** True past the day a secret should have been replaced. */
export function isOld(ageDays: number | undefined, daysMax: number): boolean {
  return ageDays !== undefined && ageDays > daysMax
}

const isDue = (toldNs: bigint | undefined, nowNs: bigint): boolean => toldNs === undefined || nowNs - toldNs >= dayNs
