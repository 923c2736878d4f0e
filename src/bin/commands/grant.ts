import { userInfo } from 'node:os'
import { InvalidArgumentError, type Command } from 'commander'
import { GrantRefused, type GrantRequest } from '../../control/request.ts'
import { ElevationAsk } from '../../identity/elevation.ts'
import type { GrantsAdmin } from '../../server/admin-grants.ts'
import { deskAt, withPlace, type Place } from './admin-place.ts'
import { gatewayGrants } from './grant-gateway.ts'
import { offlineGrants } from './grant-offline.ts'
import { shownLine, shownWhole } from './grant-shown.ts'

/** Where requests and decisions go: to the gateway that runs, or into its state and evidence while none does. */
export type GrantClerk = GrantsAdmin

interface RequestOptions extends Place {
  readonly principal: string
  readonly tenant: string
  readonly scope: readonly string[]
  readonly reason: string
  readonly ttl: number
  readonly ticket?: string
  readonly approver?: string
  readonly by: string
}

interface DecideOptions extends Place {
  readonly approver: string
  readonly reason?: string
  readonly ttl?: number
}

/** Adds `grant request`, `approve`, `deny`, `list` and `show`. Exit codes: 0 ok, 1 refused, 3 usage or nothing to ask. */
export function grantCommand(program: Command): void {
  const group = program.command('grant').description('ask for rights for a while, and decide what waits for a person')
  withPlace(group.command('request').description('ask for scopes for somebody, for a while; another person approves'))
    .requiredOption('--principal <name>', 'who it is for, e.g. agent:release')
    .requiredOption('--tenant <name>', 'in which tenant')
    .requiredOption('--scope <scopes...>', 'what is asked for, e.g. flags.write:prod')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--ttl <seconds>', 'how long it lasts once approved, 28800 at most', seconds, 3_600)
    .option('--ticket <id>', 'the change it belongs to')
    .option('--approver <name>', 'the only person who may approve it')
    .option('--by <name>', 'who asks', ownName())
    .action((options: RequestOptions) => request(options))
  decision(group.command('approve').description('grant a request; not by who made it, nor by whom it is for'))
    .option('--ttl <seconds>', 'shorter than was asked for', seconds)
    .action((id: string, options: DecideOptions) => decide('approve', id, options))
  decision(group.command('deny').description('refuse a request, or end what it granted')).action(
    (id: string, options: DecideOptions) => decide('deny', id, options),
  )
  withPlace(group.command('list').description('what waits for a person, and what is granted'))
    .option('--all', 'also what is over')
    .action((options: Place & { readonly all?: true }) => list(options))
  withPlace(group.command('show').description('one request, with the real arguments of a call'))
    .argument('<id>', 'as `grant list` shows it')
    .action((id: string, where: Place) => show(id, where))
}

function decision(command: Command): Command {
  return withPlace(command)
    .argument('<id>', 'as `grant list` shows it')
    .option('--approver <name>', 'who decides', ownName())
    .option('--reason <text>', 'why; it is recorded')
}

async function request(options: RequestOptions): Promise<void> {
  const { principal, tenant, scope: scopes, reason, ttl, ticket, approver, by } = options
  const read = ElevationAsk.safeParse({
    principal,
    tenant,
    scopes,
    reason,
    ttlSeconds: ttl,
    requestedBy: by,
    ...(ticket !== undefined && { ticket }),
    ...(approver !== undefined && { approver }),
  })
  if (!read.success) throw new Error(read.error.issues.map(problemLine).join('\n'))
  await told(options, (clerk) => clerk.request(read.data), 'Requested')
}

const problemLine = ({
  path: at,
  message,
}: {
  readonly path: readonly PropertyKey[]
  readonly message: string
}): string => `${at.join('.')}: ${message}`

async function decide(what: 'approve' | 'deny', id: string, options: DecideOptions): Promise<void> {
  const { approver: by, reason, ttl } = options
  const more = { ...(reason !== undefined && { note: reason }), ...(ttl !== undefined && { ttlMs: ttl * 1000 }) }
  await told(options, (clerk) => clerk[what](id, { by, ...more }), what === 'approve' ? 'Approved' : 'Denied')
}

/** Says what became of it. What the desk refuses is told in its sentence, with exit code 1. */
async function told(where: Place, work: (clerk: GrantClerk) => Promise<GrantRequest>, done: string): Promise<void> {
  const clerk = await clerkAt(where)
  try {
    const now = await work(clerk)
    say(where.json === true ? JSON.stringify(now) : `${done} ${shownLine(now, Date.now())}`)
  } catch (error) {
    if (!(error instanceof GrantRefused)) throw error
    process.stderr.write(`sluicegate: ${error.message}\n`)
    if (where.json === true) say(JSON.stringify({ error: { kind: error.kind, message: error.message } }))
    process.exitCode = 1
  }
}

async function list(where: Place & { readonly all?: true }): Promise<void> {
  const clerk = await clerkAt(where)
  const kept = await clerk.list()
  const grants = where.all === true ? kept : kept.filter(({ state }) => state === 'pending' || state === 'granted')
  if (where.json === true) return say(JSON.stringify({ grants }))
  say(
    grants.length === 0
      ? 'Nothing waits for a person, and nothing is granted.'
      : grants.map((one) => shownLine(one, Date.now())).join('\n'),
  )
}

async function show(id: string, where: Place): Promise<void> {
  const clerk = await clerkAt(where)
  const found = await clerk.find(id)
  if (!found) throw new Error(`There is no request ${id}; \`sluicegate grant list --all\` shows those there are.`)
  say(where.json === true ? JSON.stringify(found) : shownWhole(found, Date.now()))
}

const clerkAt = (place: Place): Promise<GrantClerk> => deskAt(place, { running: gatewayGrants, offline: offlineGrants })

function seconds(text: string): number {
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new InvalidArgumentError('Give whole seconds, e.g. 900.')
  return Number(text)
}

/** The system's own name for whoever types, where it has one. */
function ownName(): string {
  try {
    return userInfo().username
  } catch {
    return 'operator'
  }
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)
