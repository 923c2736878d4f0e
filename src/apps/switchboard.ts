import { randomUUID } from 'node:crypto'
import type { CommandLog } from '../adapters/command-log-file.ts'
import type { Forbids, Halted } from '../call/halt.ts'
import { aimed, straying, type ToolNames } from '../control/aim.ts'
import type { Command, Engage, IssuedBy, Release } from '../control/command.ts'
import { engage, OrderRefused, OrderRequest, release } from '../control/order.ts'
import { provisional } from '../control/provisional.ts'
import { beyondRights } from '../control/signed.ts'
import { strictest, switches, switchesMax, type Engaged, type Switches } from '../control/switches.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Signer } from '../ports/signer.ts'

export interface SwitchboardParts {
  readonly commands: CommandLog
  readonly log: EvidenceLog
  readonly clock: Clock
  readonly tools: ToolNames
  /** Signs what people order, and that an order's time was up. */
  readonly operator: Signer
  /** Signs what the detector orders. */
  readonly detector: Signer
  /** Told of what could not be written down in the background. */
  readonly fault: (error: unknown) => void
}

/** A switch in force. */
export interface Listed extends Engaged {
  /** Absent once it is durable. One that is not ends with this process. */
  readonly durable?: false
}

export interface Switchboard extends Pick<Switches, 'limitsFor' | 'rightsOf'> {
  readonly forbids: Forbids
  list(): readonly Listed[]
  /**
   * In force when this returns; the promise resolves when the order is durable, and rejects when it could not be made
   * so, in force all the same. Rejects with `OrderRefused`, and holds nothing, when the order is wrong, beyond the rights
   * of whoever gives it, or there is no room. The id of an engaged switch changes nothing.
   */
  engage(request: OrderRequest, issuedBy: IssuedBy, id?: string): Promise<Engage>
  /** Undefined when no such switch is engaged. */
  release(id: string, reason: string, issuedBy: IssuedBy): Promise<Release | undefined>
  close(): Promise<void>
}

const gateway: IssuedBy = { kind: 'operator', name: 'gateway' }
const sweepEveryMs = 1_000

/**
 * Takes orders, makes them durable, and knows what is forbidden now. An order holds from the moment it is given, before
 * it is durable: a stop that waits for a disk comes one call too late, and a stop too many is the safe mistake.
 */
export function switchboard(parts: SwitchboardParts): Switchboard {
  const { commands, clock, tools } = parts
  const ordered = switches({ clock })
  for (const command of commands.replayed)
    ordered.apply(command.action === 'engage' ? aimed(command, tools) : command, 'replayed')
  const waiting = provisional(clock)
  const origin = (issuedBy: IssuedBy) => ({ atMs: clock.nowMs(), issuedBy })
  const list = (): readonly Listed[] => [
    ...ordered.list(),
    ...waiting.list().map((order) => ({ ...order, durable: false as const })),
  ]
  const sweeper = every(sweepEveryMs, sweep, parts.fault)
  return {
    close: sweeper.close,
    forbids: (query) => firmest(ordered.forbids(query), waiting.forbids(query)),
    limitsFor: (query) => strictest([ordered.limitsFor(query), waiting.limitsFor(query)]),
    rightsOf: (who) => waiting.rightsOf({ ...who, rights: ordered.rightsOf(who) }),
    list,
    async engage(request, issuedBy, id = randomUUID()) {
      const known = ordered.list().find((engaged) => engaged.id === id)
      if (known) return known
      const order = engage(aimed(checked(request), tools), { id, seq: 0, ...origin(issuedBy) })
      const refusal = beyondRights(order, { use: issuedBy.kind === 'detector' ? 'detector' : 'deployment' }) ?? noRoom()
      if (refusal !== undefined) throw new OrderRefused(`The order was refused: ${refusal}.`)
      waiting.hold(order)
      return (await durable((seq) => ({ ...order, seq }), issuedBy)) as Engage
    },
    async release(id, reason, issuedBy) {
      if (!list().some((engaged) => engaged.id === id)) return undefined
      const make = (seq: number) => release(id, reason, { seq, ...origin(issuedBy) })
      try {
        return (await durable(make, issuedBy)) as Release
      } catch (error) {
        // What never became durable can be let go of without the disk.
        if (!waiting.holds(id)) throw error
        return settled(make(0)) as Release
      }
    },
  }

  function checked(request: OrderRequest): OrderRequest {
    const read = OrderRequest.safeParse(request)
    const [issue] = read.error?.issues ?? []
    if (!read.success) throw new OrderRefused(`${issue?.path.join('.')}: ${issue?.message}.`)
    const stray = straying(read.data, tools)
    if (stray !== undefined) throw new OrderRefused(stray)
    return read.data
  }

  function noRoom(): string | undefined {
    if (ordered.count() + waiting.count() < switchesMax) return undefined
    return `${switchesMax} switches are engaged; release some before engaging more`
  }

  async function durable(make: (seq: number) => Command, issuedBy: IssuedBy): Promise<Command> {
    const command = await commands.append(make, issuedBy.kind === 'detector' ? parts.detector : parts.operator)
    ordered.apply(command)
    return settled(command)
  }

  /** It is provisional no longer, and it is evidence. */
  function settled(command: Command): Command {
    waiting.drop(command.id)
    parts.log.append(evidenceOf(command)).catch(parts.fault)
    return command
  }

  /** Writes down that the time of a switch was up: once, for the log remembers it over a restart. False when none is left. */
  async function sweep(): Promise<boolean> {
    const over = ordered.overdue().find(({ id }) => !waiting.holds(id))
    if (!over) return false
    await durable((seq) => release(over.id, 'its time was up', { seq, ...origin(gateway) }), gateway)
    return true
  }
}

/** Of two switches, the one that no approval lifts. */
function firmest(one: Halted | undefined, other: Halted | undefined): Halted | undefined {
  return one && (one.kind !== 'approval' || !other) ? one : other
}

/** Repeats the work while it says that some is left, then looks again after `everyMs`. Stops for good when it fails. */
function every(everyMs: number, work: () => Promise<boolean>, fault: (error: unknown) => void) {
  let running: Promise<void> | undefined
  const closing = new AbortController()
  const run = async (): Promise<void> => {
    while (!closing.signal.aborted && (await work()));
    running = undefined
  }
  const close = async (): Promise<void> => {
    closing.abort()
    clearInterval(timer)
    await running
  }
  const timer = setInterval(() => {
    running ??= run().catch((error: unknown) => {
      clearInterval(timer)
      fault(error)
    })
  }, everyMs)
  timer.unref()
  return { close }
}

function evidenceOf({ action, ...order }: Command): EvidenceEntry {
  return { type: action === 'engage' ? 'kill.apply' : 'kill.release', ext: order }
}
