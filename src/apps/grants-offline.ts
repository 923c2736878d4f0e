import { existsSync } from 'node:fs'
import path from 'node:path'
import { systemClock } from '../adapters/clock-system.ts'
import { fileCommandLog } from '../adapters/command-log-file.ts'
import { openEvidenceLog } from '../adapters/evidence-log-file.ts'
import { openKeys } from '../adapters/keys-file.ts'
import { sqliteState } from '../adapters/state-sqlite.ts'
import { OrderRefused } from '../control/order.ts'
import { GrantRefused, type GrantRequest } from '../control/request.ts'
import { switches } from '../control/switches.ts'
import type { ElevationAsk } from '../identity/elevation.ts'
import { suggestion } from '../expression/vocabulary.ts'
import { builtInTools } from '../tools/built-in.ts'
import { scopesAsked } from '../tools/scopes.ts'
import type { GrantDesk } from './grant-desk.ts'
import { openGrants } from './open-grants.ts'
import { grantStore } from './grant-store.ts'

/** Name of the streams that decisions from the command line leave while no gateway runs. */
const clerk = 'grant'

/** Opens the desk of a data directory that no gateway holds, does one thing, and lets go again. Refuses while one runs. */
export async function withGrantsOffline<T>(data: string, use: (desk: GrantDesk) => Promise<T>): Promise<T> {
  await using held = new AsyncDisposableStack()
  const keep = <U extends { close(): Promise<unknown> | void }>(thing: U): U =>
    held.adopt(thing, async (kept) => void (await kept.close()))
  const clock = systemClock()
  const keys = await openKeys(keysIn(data), clock)
  const commands = keep(await fileCommandLog({ directory: path.join(data, 'control'), trusted: keys.commandKeys }))
  const table = switches({ clock })
  for (const command of commands.replayed) table.apply(command, 'replayed')
  const state = keep(sqliteState({ file: path.join(data, 'state.db') }))
  const log = keep(
    await openEvidenceLog({
      directory: data,
      gateway: clerk,
      deployment: keys.trust.deployment,
      deploymentSigner: keys.deployment,
      trusted: keys.trusted,
      clock,
    }),
  )
  const failures: unknown[] = []
  const desk = keep(
    await openGrants({
      options: () => ({ principals: [] }),
      clock,
      keys,
      log,
      state,
      switchboard: { ...table, engage: async () => noGateway() },
      fault: (error) => failures.push(error),
    }),
  )
  return await use(desk)
}

/** What waits and what is granted, without changing anything; also beside a gateway. */
export async function grantsKept(data: string): Promise<readonly GrantRequest[]> {
  keysIn(data)
  const clock = systemClock()
  const state = sqliteState({ file: path.join(data, 'state.db') })
  try {
    const kept = await grantStore(state, clock, () => undefined).all()
    return kept.map(({ request }) => request).toSorted((one, other) => other.askedMs - one.askedMs)
  } finally {
    await state.close()
  }
}

/** A gateway may have more tools than the built-in ones, so only a scope close to one of theirs is known to be wrong. */
export function refuseMisspelt({ scopes }: ElevationAsk): void {
  const known = scopesAsked(builtInTools)
  for (const scope of scopes) {
    const near = known.includes(scope) ? '' : suggestion(scope, known)
    if (near !== '') throw new GrantRefused('refused', `scopes: there is no scope '${scope}'${near}.`)
  }
}

function keysIn(data: string): string {
  const directory = path.join(data, 'keys')
  if (existsSync(path.join(directory, 'deployment.pem'))) return directory
  throw new Error(
    `${data} is no data directory of a gateway; pass it with --data, or the running gateway with --admin.`,
  )
}

function noGateway(): never {
  throw new OrderRefused(
    'No gateway runs, so there is nothing to stop; `sluicegate switch engage` orders for its next start.',
  )
}
