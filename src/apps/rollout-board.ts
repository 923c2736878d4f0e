import type { Alert } from '../detection/alert.ts'
import type { Ended, Place, Watch } from '../limits/rollout.ts'
import type { Judged } from '../limits/spike.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'
import type { WatchStore } from '../ports/watch-store.ts'
import type { Meters } from '../telemetry/metrics.ts'
import type { About, Step, Story } from './rollout-story.ts'

export interface BoardParts {
  readonly store: WatchStore
  readonly log: Pick<EvidenceLog, 'append'>
  readonly clock: Clock
  readonly meters: Pick<Meters, 'rollout'>
  /** Makes an alert evidence and hands it to every sink. */
  readonly tell: (alert: Alert) => Promise<void>
  readonly fault: (error: unknown) => void
}

/** A watch, and its time by the monotonic clock, so that nobody's clock setting ends or prolongs it. */
export interface Held {
  readonly watch: Watch
  readonly sinceNs: bigint
  readonly untilNs: bigint
}

/** How a watch ended. */
export interface EndedWatch {
  readonly watch: Watch
  readonly how: Ended | 'rolled back'
}

/** What is watched: in memory for the guard, in the store for the next process, in evidence and metrics for everybody. */
export interface Board {
  get(place: Place): Held | undefined
  all(): readonly Watch[]
  /** Newest last, at most 200. */
  ended(): readonly EndedWatch[]
  /** Puts a watch up. `runMs` of its time are over already. */
  put(watch: Watch, runMs: number): void
  /** The same watch, further on; `durably` where the next process must know. */
  keep(one: Held, watch: Watch, durably: boolean): Promise<Held>
  end(watch: Watch, how: EndedWatch['how'], judged?: Judged): Promise<Receipt | undefined>
  /** Writes down a step; a guard that cannot write goes on watching. */
  note(watch: Watch, step: Step, judged?: Judged): Promise<Receipt | undefined>
  /** On its way when this returns. */
  alert(watch: Watch, about: About, ...receipts: readonly (Receipt | undefined)[]): void
  /** Waits for work whose failure is reported, and stops nothing. */
  quietly(work: Promise<unknown>): Promise<void>
  /** Alerts on their way. */
  readonly telling: ReadonlySet<Promise<void>>
}

const endedMax = 200

export const placeKey = ({ tenant, region, name, env }: Place): string => JSON.stringify([tenant, region, env, name])

export function board(parts: BoardParts, words: Story): Board {
  const { store, clock, log, fault } = parts
  const held = new Map<string, Held>()
  const finished: EndedWatch[] = []
  const telling = new Set<Promise<void>>()

  const quietly = (work: Promise<unknown>): Promise<void> =>
    work.then(
      () => undefined,
      (error: unknown) => fault(error),
    )

  function note(watch: Watch, step: Step, judged?: Judged): Promise<Receipt | undefined> {
    return log.append(words.step(watch, step, judged)).catch((error: unknown) => {
      fault(error)
      return undefined
    })
  }

  return {
    get: (place) => held.get(placeKey(place)),
    all: () => [...held.values()].map(({ watch }) => watch),
    ended: () => finished,
    put(watch, runMs) {
      const nowNs = clock.monoNs()
      const leftMs = watch.endsMs - watch.beganMs - runMs
      held.set(placeKey(watch), { watch, sinceNs: nowNs - ns(runMs), untilNs: nowNs + ns(leftMs) })
    },
    async keep(one, watch, durably) {
      const next = { ...one, watch }
      held.set(placeKey(watch), next)
      if (durably) await quietly(store.save(watch))
      return next
    },
    async end(watch, how, judged) {
      held.delete(placeKey(watch))
      finished.push({ watch, how })
      if (finished.length > endedMax) finished.shift()
      parts.meters.rollout(how)
      const receipt = await note(watch, how, judged)
      await quietly(store.drop(watch.id))
      return receipt
    },
    note,
    alert(watch, about, ...receipts) {
      const evidence = receipts.filter((receipt) => receipt !== undefined)
      const told = quietly(parts.tell(words.alert(watch, about, evidence))).finally(() => telling.delete(told))
      telling.add(told)
    },
    quietly,
    telling,
  }
}

const ns = (ms: number): bigint => BigInt(Math.round(ms * 1e6))
