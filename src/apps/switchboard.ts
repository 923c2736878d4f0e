import { randomUUID } from 'node:crypto'
import type { CommandLog } from '../adapters/command-log-file.ts'
import type { Forbids } from '../call/halt.ts'
import type { Command, Engage, IssuedBy, Release } from '../control/command.ts'
import { engage, release, type OrderRequest } from '../control/order.ts'
import { switches, type Ceilings, type Engaged } from '../control/switches.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Signer } from '../ports/signer.ts'

export interface SwitchboardParts {
  readonly commands: CommandLog
  readonly log: EvidenceLog
  readonly clock: Clock
  /** Signs what people order. */
  readonly operator: Signer
  /** Signs what the detector orders. */
  readonly detector: Signer
  /** Told of an order that could not be made durable. It stays in force all the same. */
  readonly fault: (error: unknown) => void
}

export interface Switchboard {
  readonly forbids: Forbids
  limitsFor(query: { readonly tenant: string; readonly actor: string; readonly tool: string }): Ceilings
  list(): readonly Engaged[]
  /** In force when this returns; the promise resolves when the order is durable. A repeated id changes nothing. */
  engage(request: OrderRequest, issuedBy: IssuedBy, id?: string): Promise<Engage>
  /** Undefined when no such switch is engaged. */
  release(id: string, reason: string, issuedBy: IssuedBy): Promise<Release | undefined>
  close(): void
}

/**
 * Takes orders, makes them durable, and knows what is forbidden now. An order holds from the moment it is given, before
 * it is durable: a stop that waits for a disk comes one call too late, and a stop too many is the safe mistake.
 */
export function switchboard(parts: SwitchboardParts): Switchboard {
  const { commands, clock } = parts
  const ordered = switches({ clock })
  for (const command of commands.replayed) ordered.apply(command, 'replayed')
  const provisional = provisionalSwitches(clock)
  const sweep = setInterval(() => {
    for (const { id } of ordered.expire()) parts.log.append(expiredEntry(id)).catch(parts.fault)
  }, 1_000)
  sweep.unref()
  return {
    close: () => clearInterval(sweep),
    forbids: (query) => ordered.forbids(query) ?? provisional.forbids(query),
    limitsFor: (query) => ordered.limitsFor(query),
    list: () => ordered.list(),
    async engage(request, issuedBy, id = randomUUID()) {
      const origin = (seq: number) => ({ id, seq, atMs: clock.nowMs(), issuedBy })
      provisional.hold(engage(request, origin(0)))
      const command = (await durable((seq) => engage(request, origin(seq)), issuedBy)) as Engage
      provisional.drop(id)
      return command
    },
    async release(id, reason, issuedBy) {
      if (!ordered.list().some((switched) => switched.id === id)) return undefined
      const make = (seq: number) => release(id, reason, { seq, atMs: clock.nowMs(), issuedBy })
      return (await durable(make, issuedBy)) as Release
    },
  }

  async function durable(make: (seq: number) => Command, issuedBy: IssuedBy): Promise<Command> {
    const signer = issuedBy.kind === 'detector' ? parts.detector : parts.operator
    const command = await commands.append(make, signer)
    ordered.apply(command)
    parts.log.append(evidenceOf(command)).catch(parts.fault)
    return command
  }
}

/** Most orders that wait for the disk at one time. */
const provisionalMax = 1_000

/** Orders that hold and are not durable yet. One whose writing failed holds until its time is up. */
function provisionalSwitches(clock: Clock) {
  let held = new Map<string, Engage>()
  let folded = switches({ clock })
  const refold = (): void => {
    folded = switches({ clock })
    for (const [seq, order] of [...held.values()].entries()) folded.apply({ ...order, seq })
  }
  return {
    forbids: ((query) => (held.size === 0 ? undefined : folded.forbids(query))) satisfies Forbids,
    hold(order: Engage): void {
      if (held.size >= provisionalMax) held = new Map([...held].slice(1))
      held.set(order.id, order)
      refold()
    },
    drop(id: string): void {
      held.delete(id)
      refold()
    },
  }
}

/** Every order has an end, and the end is evidence too. */
const expiredEntry = (id: string): EvidenceEntry => ({ type: 'kill.release', ext: { id, reason: 'its time was up' } })

function evidenceOf({ action, ...order }: Command): EvidenceEntry {
  return { type: action === 'engage' ? 'kill.apply' : 'kill.release', ext: order }
}
