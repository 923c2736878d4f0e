import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import { systemClock } from '../../adapters/clock-system.ts'
import { fileCommandLog, type CommandLog } from '../../adapters/command-log-file.ts'
import { openKeys, type Keys } from '../../adapters/keys-file.ts'
import type { IssuedBy } from '../../control/command.ts'
import { aimed, straying } from '../../control/aim.ts'
import { engage, OrderRefused, release } from '../../control/order.ts'
import { switches, switchesMax } from '../../control/switches.ts'
import type { Clock } from '../../ports/clock.ts'
import { builtInTools } from '../../tools/built-in.ts'
import { builtInAliases, catalog, toolNames } from '../../tools/catalog.ts'
import type { OrderDesk } from './switch.ts'

/** The shipped tools: a gateway may have more, so only a name close to one of these is known to be wrong. */
const tools = toolNames(catalog(builtInTools, builtInAliases))

/** Writes orders into the command log of a gateway that does not run; it obeys them from its start on. */
export async function offlineSwitches(data: string): Promise<OrderDesk> {
  const keysDirectory = path.join(data, 'keys')
  if (!existsSync(path.join(keysDirectory, 'deployment.pem')))
    throw new Error(
      `${data} is no data directory of a gateway; pass it with --data, or the running gateway with --admin.`,
    )
  const clock = systemClock()
  const keys = await openKeys(keysDirectory, clock)
  return {
    list: () => opened(data, keys, async (log) => table(clock, log).list() as never),
    engage: (request) =>
      opened(data, keys, async (log) => {
        const stray = straying(request, tools)
        if (stray?.includes('did you mean')) throw new OrderRefused(stray)
        if (table(clock, log).count() >= switchesMax)
          throw new OrderRefused(`${switchesMax} switches are engaged; release some before engaging more.`)
        const id = `sw-${randomUUID()}`
        const make = (seq: number) =>
          engage(aimed(request, tools), { id, seq, atMs: clock.nowMs(), issuedBy: operator() })
        return (await log.append(make, keys.deployment)) as never
      }),
    release: (id, reason) =>
      opened(data, keys, async (log) => {
        if (!table(clock, log).list().some((engaged) => engaged.id === id)) return false // prettier-ignore
        const origin = { atMs: clock.nowMs(), issuedBy: operator() }
        await log.append((seq) => release(id, reason, { ...origin, seq }), keys.deployment)
        return true
      }),
  }
}

async function opened<T>(data: string, { commandKeys }: Keys, use: (log: CommandLog) => Promise<T>): Promise<T> {
  const log = await fileCommandLog({ directory: path.join(data, 'control'), trusted: commandKeys })
  try {
    return await use(log)
  } finally {
    await log.close()
  }
}

function table(clock: Clock, { replayed }: CommandLog) {
  const now = switches({ clock })
  for (const command of replayed) now.apply(command, 'replayed')
  return now
}

/** Whoever may read the deployment key gives the order; the system's own name for them is recorded. */
const operator = (): IssuedBy => ({ kind: 'operator', name: userInfo().username })
