import { existsSync } from 'node:fs'
import path from 'node:path'
import { Option, type Command } from 'commander'
import { systemClock } from '../../adapters/clock-system.ts'
import { openTls } from '../../apps/tls-sections.ts'
import type { ServiceTlsSection } from '../../config/tls-section.ts'
import { adminAt, type AskAdmin } from './admin-client.ts'

/** What a command shows to an admin listener with TLS, and trusts of it: PEM files. */
export interface ClientFiles {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Where a gateway is, as a command line says. */
export interface Place extends ClientFiles {
  readonly data: string
  readonly admin?: string
  readonly tokenFile?: string
  readonly json?: boolean
}

/** Adds where the gateway is. Everything but the data directory and the output may stand in the environment as well. */
export function withPlace(command: Command): Command {
  const named = command
    .option('--data <directory>', 'data directory of the gateway', '.sluicegate')
    .addOption(
      new Option('--admin <url>', 'admin listener of the running gateway, http:// or https://').env('SLUICEGATE_ADMIN'),
    )
    .addOption(
      new Option('--token-file <file>', 'admin token; keys/admin.token of the data directory unless given').env(
        'SLUICEGATE_ADMIN_TOKEN_FILE',
      ),
    )
  return withClientFiles(named).option('--json', 'one JSON object on the last line')
}

/** Adds the files for an admin listener with TLS. */
export function withClientFiles(command: Command): Command {
  return command
    .addOption(
      new Option('--ca <file>', 'authorities that its certificate must come from, PEM').env('SLUICEGATE_ADMIN_CA'),
    )
    .addOption(
      new Option('--cert <file>', 'client certificate to show to it, PEM; with --key').env('SLUICEGATE_ADMIN_CERT'),
    )
    .addOption(new Option('--key <file>', 'key of that certificate, PEM').env('SLUICEGATE_ADMIN_KEY'))
}

/** The files as a section of the configuration would name them; undefined when none is given. Refuses half a pair. */
export function clientSection({ ca, cert, key }: ClientFiles): ServiceTlsSection | undefined {
  if ((cert === undefined) !== (key === undefined)) throw new Error('Pass both --cert and --key, or neither.')
  if (ca === undefined && cert === undefined) return undefined
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    minVersion: '1.2',
    rotationDays: 825,
  }
}

/** The two ways in which a command does its work. */
interface Ways<Desk> {
  /** Through the gateway that runs. */
  running(ask: AskAdmin): Desk
  /** In the data directory, while none does. */
  offline(data: string): Promise<Desk>
}

const defaultUrl = 'http://127.0.0.1:8788'

/**
 * The way that fits: a lock means that a gateway runs on the data directory; without one, and without an address, the directory
 * is ours to change. Where an address is given nothing else will do: refuses when nothing answers there.
 */
export async function deskAt<Desk>(place: Place, { running, offline }: Ways<Desk>): Promise<Desk> {
  const { data, admin, tokenFile = path.join(data, 'keys', 'admin.token') } = place
  if (admin === undefined && !existsSync(path.join(data, 'control', 'commands.lock'))) return offline(data)
  const url = admin ?? defaultUrl
  const ask = await adminAt({ url, tokenFile, ...(await secured(url, place)) })
  if (await ask('GET', '/healthz')) return running(ask)
  if (admin === undefined) return offline(data)
  throw new Error(`No gateway answers at ${url}; start it, or leave --admin out to work on its data directory.`)
}

/** Opened as a gateway opens its own, so that a pair that is not good is told before anything is sent. */
async function secured(url: string, files: ClientFiles) {
  const section = clientSection(files)
  if (!section) return {}
  if (!url.startsWith('https:'))
    throw new Error(`${url} speaks no TLS; --ca, --cert and --key are for --admin https://….`)
  const named = { name: 'this command', use: 'client', section } as const
  const source = await openTls(named, { mode: 'development', clock: systemClock() })
  source.close()
  return { tls: source.current() }
}
