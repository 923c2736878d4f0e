import { InvalidArgumentError, type Command } from 'commander'
import { OrderRequest, type Ceiling } from '../../control/order.ts'
import { switchKinds, type SwitchKind } from '../../control/command.ts'
import { deskAt, withPlace, type Place } from './admin-place.ts'
import { gatewaySwitches } from './switch-gateway.ts'
import { offlineSwitches } from './switch-offline.ts'

/** A switch as it is shown. */
export interface Shown {
  readonly id: string
  readonly kind: string
  readonly target: string
  readonly tenant?: string
  readonly reason: string
  readonly remainingMs?: number
  /** False when it ends with the gateway's process. */
  readonly durable?: false
  readonly [field: string]: unknown
}

/** Where orders go: to the gateway that runs, or into its command log while none does. */
export interface OrderDesk {
  list(): Promise<readonly Shown[]>
  engage(request: OrderRequest): Promise<Shown>
  /** False when no such switch is engaged. */
  release(id: string, reason: string): Promise<boolean>
}

interface EngageOptions extends Place {
  readonly reason: string
  readonly ttl: number
  readonly approver?: string
  readonly tenant?: string
  readonly set: Partial<Record<Ceiling, number>>
}

/** Adds `switch list`, `engage` and `release`. */
export function switchCommand(program: Command): void {
  const group = program
    .command('switch')
    .description('stop a session, a tool, a domain or everything, and let go again')
  withPlace(group.command('list').description('what is engaged now')).action((where: Place) => list(where))
  withPlace(group.command('engage').description('forbid something from the next call on'))
    .argument('<kind>', switchKinds.join(', '))
    .argument(
      '<target>',
      'session key, tool, domain, tenant, token id, scope; all or a tenant for read-only, catalog, approval',
    )
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--ttl <seconds>', 'after which it ends by itself', seconds, 3_600)
    .option('--approver <name>', 'who agreed')
    .option('--tenant <name>', 'for one tenant only')
    .option('--set <ceiling=n>', 'for limits, e.g. rpm=10; repeat it for more', ceiling, {})
    .action((kind: SwitchKind, target: string, options: EngageOptions) => engage(kind, target, options))
  withPlace(group.command('release').description('end a switch before its time'))
    .argument('<id>', 'as `switch list` shows it')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .action((id: string, options: Place & { readonly reason: string }) => release(id, options))
}

async function list(where: Place): Promise<void> {
  const switches = await (await desk(where)).list()
  if (where.json === true) return say(JSON.stringify({ switches }))
  say(switches.length === 0 ? 'No switch is engaged.' : switches.map(lineOf).join('\n'))
}

async function engage(kind: SwitchKind, target: string, options: EngageOptions): Promise<void> {
  const request = requestOf(kind, target, options)
  const engaged = await (await desk(options)).engage(request)
  say(
    options.json === true
      ? JSON.stringify(engaged)
      : `Engaged ${lineOf({ remainingMs: options.ttl * 1000, ...engaged })}`,
  )
}

async function release(id: string, options: Place & { readonly reason: string }): Promise<void> {
  const released = await (await desk(options)).release(id, options.reason)
  if (!released) throw new Error(`No switch ${id} is engaged; \`sluicegate switch list\` shows those that are.`)
  say(options.json === true ? JSON.stringify({ id, released }) : `Released ${id}.`)
}

/** Judged here as well, so that a wrong order is told apart from a gateway that is away. */
function requestOf(kind: SwitchKind, target: string, options: EngageOptions): OrderRequest {
  const { reason, ttl, approver, tenant, set } = options
  const read = OrderRequest.safeParse({
    kind,
    target,
    reason,
    ttlMs: ttl * 1000,
    ...(approver !== undefined && { approver }),
    ...(tenant !== undefined && { tenant }),
    ...(Object.keys(set).length > 0 && { set }),
  })
  if (read.success) return read.data
  throw new Error(read.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`).join('\n'))
}

const desk = (place: Place): Promise<OrderDesk> => deskAt(place, { running: gatewaySwitches, offline: offlineSwitches })

function lineOf({ id, kind, target, tenant, reason, remainingMs, durable }: Shown): string {
  const only = tenant === undefined ? '' : ` of ${tenant}`
  const left = remainingMs === undefined ? '' : `, ${Math.ceil(remainingMs / 1000)} s left`
  const held = durable === false ? ', not durable' : ''
  return `${id}  ${kind} ${target}${only}${left}${held}: ${reason}`
}

function seconds(text: string): number {
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new InvalidArgumentError('Give whole seconds, e.g. 3600.')
  return Number(text)
}

function ceiling(text: string, before: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const [, name, value] = /^([a-z_]+)=([0-9]+(?:\.[0-9]+)?)$/.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('Give a ceiling and a number, e.g. rpm=10.')
  return { ...before, [name]: Number(value) }
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)
