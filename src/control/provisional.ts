import type { Clock } from '../ports/clock.ts'
import type { Engage } from './command.ts'
import { OrderRefused, release } from './order.ts'
import { switches, type Switches } from './switches.ts'

/** Most orders that are in force and not durable at one time. */
const provisionalMax = 1_000

/** Orders in force that are not durable: they wait for the disk, or it failed them. Those hold until their time is up. */
export interface Provisional extends Pick<Switches, 'forbids' | 'limitsFor' | 'rightsOf' | 'list' | 'count'> {
  /** Throws `OrderRefused` when `provisionalMax` are held: none is forgotten for a newer one. */
  hold(order: Engage): void
  holds(id: string): boolean
  drop(id: string): void
}

export function provisional(clock: Clock): Provisional {
  const held = switches({ clock })
  const by = { kind: 'operator', name: 'gateway' } as const
  const next = () => held.seq() + 1
  const drop = (id: string): void =>
    void held.apply(release(id, 'no longer provisional', { seq: next(), atMs: clock.nowMs(), issuedBy: by }))
  return {
    ...held,
    hold(order) {
      for (const { id } of held.overdue()) drop(id)
      if (held.count() >= provisionalMax)
        throw new OrderRefused(
          `${provisionalMax} orders wait for the disk; mend the command log's disk, then order again.`,
        )
      held.apply({ ...order, seq: next() })
    },
    holds: (id) => held.list().some((order) => order.id === id),
    drop,
  }
}
