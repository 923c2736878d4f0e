import type { Reloaded } from '../../apps/reload.ts'
import type { AdminReply, AskAdmin } from './admin-client.ts'
import { deskAt, type Place } from './admin-place.ts'

/** Has the gateway that runs read its configuration again. Exits 3 when the change is refused, with every problem. */
export async function reloadConfig(place: Place): Promise<void> {
  const ask = await deskAt<AskAdmin>(place, { running: (asked) => asked, offline: nobodyRuns })
  const reloaded = reloadedOf(await ask('POST', '/api/v1/reload'))
  process.stdout.write(place.json === true ? `${JSON.stringify(reloaded)}\n` : textOf(reloaded))
  if (reloaded.kind !== 'refused') return
  for (const problem of place.json === true ? [] : reloaded.problems) process.stderr.write(`${problem}\n`)
  process.exitCode = 3
}

async function nobodyRuns(data: string): Promise<never> {
  throw new Error(
    `No gateway runs on ${data}, and the next one to start reads its configuration anyway; pass another data directory with --data, or an address with --admin.`,
  )
}

function reloadedOf(reply: AdminReply | undefined): Reloaded {
  if (!reply) throw new Error('The gateway went away; start it again, which reads its configuration.')
  const { status, body } = reply
  if (status === 200 || status === 409) return body as unknown as Reloaded
  if (status === 404)
    throw new Error('The gateway was started without a configuration file: there is nothing to reload.')
  const { message = `The gateway answered ${status}.` } = (body['error'] ?? {}) as { readonly message?: string }
  throw new Error(message)
}

function textOf({ kind, digest }: Reloaded): string {
  const short = digest.slice(0, 16)
  switch (kind) {
    case 'loaded':
      return `In force: ${short}\n`
    case 'unchanged':
      return `Nothing has changed: ${short} is in force\n`
    case 'refused':
      return `Refused: ${short}; the old configuration stays in force\n`
  }
}
