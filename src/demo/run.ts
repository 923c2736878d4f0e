import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { systemClock } from '../adapters/clock-system.ts'
import { readRecords } from '../adapters/evidence-files.ts'
import { nodeFiles } from '../adapters/files.ts'
import { openIssuerKey } from '../adapters/issuer-key-file.ts'
import { openKeys } from '../adapters/keys-file.ts'
import type { Reaction } from '../apps/detector.ts'
import { exportBundle } from '../apps/export.ts'
import { shippedDetections, shippedFiles } from '../apps/shipped.ts'
import type { Gateway } from '../apps/gateway.ts'
import { listen } from '../apps/serve.ts'
import { verifyEvidence } from '../apps/verify.ts'
import { signSnapshot } from '../detection/snapshot.ts'
import { developmentIssuer } from '../identity/issuer.ts'
import { startAgent, type Agent } from './agents.ts'
import { atTheDesk } from './elevation.ts'
import type { Door, Saw } from './agent.ts'
import { simulateBaseline } from './baseline.ts'
import { start, type Started } from './development.ts'
import {
  cast,
  knownVendor,
  newVendor,
  plantedNote,
  plantedOrder,
  scenes,
  ticket,
  traffic,
  type Cast,
  type Scene,
} from './scenario.ts'
import { orderIdOf } from './service/tenants.ts'

export interface DemoOptions {
  readonly data: string
  /** Told of each step as it is done. */
  readonly progress: (line: string) => void
}

/** One scene, as it went. */
export interface Played {
  readonly scene: Scene
  /** `ok`, or the code it was refused with. */
  readonly ended: string
  readonly missed?: string
}

export interface DemoReport {
  readonly played: readonly Played[]
  readonly reactions: readonly Reaction[]
  readonly evidence: { readonly records: number; readonly streams: number; readonly verified: boolean }
  readonly calls: Calls
  readonly bundle: string
  /** What was expected and did not happen. */
  readonly missed: readonly string[]
}

export interface Calls {
  readonly calls: number
  readonly allowed: number
  readonly denied: number
  readonly redacted: number
}

/** Plays the whole scenario on a data directory of its own: golden flows, then attacks, then verification and a bundle. */
export async function runDemo({ data, progress }: DemoOptions): Promise<DemoReport> {
  await using held = new AsyncDisposableStack()
  const vendor = held.adopt(await startVendor(), (server) => void server.close())
  progress('learning what is normal: simulated honest days through the product’s own fold')
  const over = await preparations(data, (vendor.address() as AddressInfo).port)
  progress('starting two regional service APIs, the gateway and the detector')
  const notes = [
    { tenant: plantedOrder.tenant, orderId: orderIdOf('acme', 'us-east', plantedOrder.day, 1), text: plantedNote },
  ]
  const started = held.adopt(
    await start({ data, environment: {}, report: () => undefined, over, notes, traffic }),
    (one) => one.close(),
  )
  const { gateway, options } = started
  const anyPort = { host: '127.0.0.1', port: 0 }
  const addresses = held.adopt(
    await listen({ gateway, options, listen: { ...anyPort, hosts: [], origins: [] }, admin: anyPort }),
    (one) => one.close(),
  )
  const played = await play(data, addresses.mcp, gateway, progress)
  await gateway.detector.settled()
  await gateway.flush()
  progress('verifying the evidence and exporting the incident')
  const bundle = await exportIncident(data, started)
  const reactions = gateway.detector.reactions()
  await held.disposeAsync()
  return report(data, played, reactions, bundle)
}

/** A stand-in for everybody's vendors: it answers, and keeps nothing. */
async function startVendor(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-type': 'text/plain' }).end('received'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

/** Sections laid over the development configuration, and the files they name. Rules, thresholds and features stay as shipped. */
async function preparations(data: string, vendorPort: number): Promise<Readonly<Record<string, unknown>>> {
  await mkdir(data, { recursive: true, mode: 0o700 })
  const keys = await openKeys(join(data, 'keys'), systemClock(), 'sluicegate')
  const { snapshot } = simulateBaseline({ rules: shippedDetections(), endMs: Date.now() })
  await writeFile(join(data, 'baseline.json'), JSON.stringify(await signSnapshot(snapshot, keys.deployment)))
  const expires = new Date(Date.now() + 86_400_000).toISOString()
  await writeFile(
    join(data, 'tickets.yaml'),
    stringify([{ ticket, state: 'approved', principal: 'agent:release', tools: ['flag.set'], expires }]),
  )
  return {
    principals: [
      { principal: 'agent:release', allow: ['orders.read', 'flags.write:staging', 'flags.write:prod'] },
      { principal: 'agent:intern', allow: ['orders.read', 'flags.write:staging', 'web.fetch'] },
    ],
    egress: { allow: [newVendor, knownVendor], hosts: { [newVendor]: vendorPort, [knownVendor]: vendorPort } },
    tickets: { file: 'tickets.yaml' },
    // In production a rollout is watched for minutes; nobody wants to wait for that here.
    tools: { 'flag.set': { guard: { pollSeconds: 0.1, watchSeconds: 5, windowSeconds: 2 } } },
    alerts: { sinks: [{ kind: 'jsonl', path: 'alerts.jsonl' }] },
    detector: {
      baseline: 'baseline.json',
      stages: { default: 'shadow', rules: { tainted_sink: 'enforce', loop_arrest: 'enforce' } },
    },
  }
}

async function play(
  data: string,
  mcp: string,
  gateway: Gateway,
  progress: DemoOptions['progress'],
): Promise<readonly Played[]> {
  const agents = new Map<string, Agent>()
  const played: Played[] = []
  for (const scene of scenes) {
    const member = cast.find(({ name }) => name === scene.agent) as Cast
    const spansFile = join(data, `spans-${member.name.replace(':', '-')}.jsonl`)
    const agent = agents.get(scene.agent) ?? (await startAgent(member, await doorOf(data, mcp, member), spansFile))
    agents.set(scene.agent, agent)
    const one = await perform(scene, agent, gateway)
    progress(`${one.missed === undefined ? 'as expected' : 'NOT as expected'}: ${scene.title} -> ${one.ended}`)
    played.push(one)
  }
  await Promise.all([...agents.values()].map((agent) => agent.end()))
  return played
}

async function perform(scene: Scene, agent: Agent, gateway: Gateway): Promise<Played> {
  const { times = 1 } = scene
  const desk = scene.before && (await atTheDesk(scene.before, gateway))
  if (desk !== undefined) return { scene, ended: 'not called', missed: desk }
  for (let call = 1; call < times; call++) {
    const saw = await agent.call(scene.tool, scene.args, { ...scene.plan, retry: 0 })
    if (!saw.ok) return { scene, ended: endedAs(saw), missed: `call ${call} of ${times} ended early` }
  }
  const saw = await agent.call(scene.tool, scene.args, scene.plan)
  const ended = endedAs(saw)
  const missed =
    (ended === scene.expect ? undefined : `expected ${scene.expect}, saw ${ended}: ${saw.text.slice(0, 160)}`) ??
    scene.check?.(saw) ??
    missingAlert(scene, gateway.detector.reactions()) ??
    (await missingRollback(scene, gateway))
  return { scene, ended, ...(missed !== undefined && { missed }) }
}

function missingAlert({ alerts = [] }: Scene, reactions: readonly Reaction[]): string | undefined {
  const silent = alerts.filter((rule) => !reactions.some(({ alert }) => alert.rule === rule))
  return silent.length === 0 ? undefined : `no alert from ${silent.join(', ')}`
}

/** Waits until the guard is done with the flag of the scene, and looks where it put it. */
async function missingRollback({ rolledBackTo, args }: Scene, { rollouts }: Gateway): Promise<string | undefined> {
  if (rolledBackTo === undefined) return undefined
  const isIts = ({ name }: { readonly name: string }) => name === args['name']
  for (let looks = 0; looks < 500 && rollouts.watches().some(isIts); looks++) await wait(20)
  const [{ watch, how } = {}] = rollouts.ended().filter((one) => isIts(one.watch))
  return how === 'rolled back' && watch?.fromPct === rolledBackTo ? undefined : 'the rollout was not rolled back'
}

/** The code in `DENY <code>:`, wherever the client put the text. */
function endedAs({ ok, text }: Saw): string {
  return ok ? 'ok' : (/DENY ([a-z_]+):/.exec(text)?.[1] ?? 'error')
}

async function doorOf(data: string, mcp: string, member: Cast): Promise<Door> {
  if (member.door !== 'stdio') return { kind: 'http', url: mcp, era: member.door, token: await tokenFor(data, member) }
  const own = join(data, 'stdio')
  await mkdir(own, { recursive: true, mode: 0o700 })
  const file = join(own, 'agent.token')
  await writeFile(file, await tokenFor(own, member), { mode: 0o600 })
  const program = fileURLToPath(new URL('../../bin/sluicegate.mjs', import.meta.url))
  return {
    kind: 'stdio',
    command: process.execPath,
    args: [program, 'serve', '--stdio', '--data', own, '--token-file', file],
  }
}

async function tokenFor(data: string, { name, tenant, grants }: Cast): Promise<string> {
  const key = await openIssuerKey(nodeFiles(), data)
  const issuer = developmentIssuer({ key, clock: systemClock(), mode: 'development' })
  return issuer.issue({ sub: name, tenant, scopes: grants, ttlSec: 600, sid: randomUUID() })
}

/** The bundle of the session that was killed for obeying a planted instruction. */
async function exportIncident(data: string, { gateway }: Started): Promise<string> {
  const found = gateway.detector.reactions().find(({ alert }) => alert.rule === 'tainted_sink')
  const out = join(data, 'incident.zip')
  await exportBundle({
    data,
    query: found ? { session: found.alert.session } : { sinceMs: 0 },
    out,
    requester: 'demo',
    signer: gateway.keys.deployment,
    clock: systemClock(),
    appendExport: gateway.append,
    extra: shippedFiles(),
  })
  return out
}

async function report(
  data: string,
  played: readonly Played[],
  reactions: readonly Reaction[],
  bundle: string,
): Promise<DemoReport> {
  const verified = await Promise.all([data, join(data, 'stdio')].map((path) => verifyEvidence({ path })))
  const bundled = await verifyEvidence({ path: bundle, trustFile: join(data, 'trust.json') })
  const calls = await countCalls([data, join(data, 'stdio')])
  const switches = reactions.flatMap(({ engaged }) => engaged)
  const missed = [
    ...played.flatMap(({ scene, missed: what }) => (what === undefined ? [] : [`${scene.title}: ${what}`])),
    ...(verified.every(({ ok }) => ok) ? [] : ['the evidence did not verify']),
    ...(bundled.ok ? [] : ['the bundle did not verify']),
    ...(switches.some(({ kind }) => kind === 'session') ? [] : ['no session was stopped']),
  ]
  const evidence = {
    records: verified.reduce((sum, { records }) => sum + records, 0),
    streams: verified.reduce((sum, { streams }) => sum + streams.length, 0),
    verified: verified.every(({ ok }) => ok),
  }
  return { played, reactions, evidence, calls, bundle, missed }
}

async function countCalls(directories: readonly string[]): Promise<Calls> {
  const counts = { calls: 0, allowed: 0, denied: 0, redacted: 0 }
  for (const directory of directories) {
    for await (const { record } of readRecords(directory, {})) {
      if (record.type !== 'call.outcome' && record.type !== 'call.decision') continue
      counts.calls += 1
      counts[record.decision?.effect === 'allow' ? 'allowed' : 'denied'] += 1
      if ((record.dlp?.piiCount ?? 0) > 0) counts.redacted += 1
    }
  }
  return counts
}
