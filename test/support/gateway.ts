import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { readRecords } from '../../src/adapters/evidence-files.ts'
import { nodeFiles } from '../../src/adapters/files.ts'
import { openIssuerKey } from '../../src/adapters/issuer-key-file.ts'
import { listen, type ListenOptions } from '../../src/apps/serve.ts'
import type { Credential } from '../../src/call/call.ts'
import type { Settled } from '../../src/call/handle.ts'
import type { CallRequest } from '../../src/call/receive.ts'
import { surface } from '../../src/call/surface.ts'
import { start, type StartOptions, type Started } from '../../src/demo/development.ts'
import type { EvidenceRecord } from '../../src/evidence/record.ts'
import { developmentIssuer, type DevelopmentIssuer } from '../../src/identity/issuer.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import type { SeenRequest } from '../../src/demo/service/seen.ts'

/** Who a test calls as: acme's release agent, unless it says otherwise. */
export interface Caller {
  readonly sub?: string
  readonly tenant?: string
  readonly grants?: readonly string[]
  readonly ttlSec?: number
  readonly sid?: string
  readonly region?: string
  /** Who acts for `sub`. */
  readonly act?: string
}

export interface OpenOptions extends Pick<StartOptions, 'over' | 'notes' | 'file' | 'tools'> {
  /** A data directory that the test keeps; a temporary one, removed at the end, unless given. */
  readonly data?: string
  /** Origins of pages that may talk to it, beside its own. */
  readonly origins?: readonly string[]
  /** What its listeners are to have beside a free port on loopback. */
  readonly listen?: Partial<ListenOptions['listen']>
  readonly admin?: Partial<ListenOptions['admin']>
  readonly certificatesEveryMs?: number
}

/** What an agent gets to see of one call. */
export interface Seen {
  readonly settled: Settled
  /** `ok`, or the code the call was refused with. */
  readonly ended: string
  /** The first text block, or the error's message. */
  readonly text: string
  /** Everything that goes over the wire, as text. */
  readonly wire: string
  readonly structured?: JsonObject
}

export interface TestGateway extends AsyncDisposable {
  readonly data: string
  /** `http://127.0.0.1:<port>/mcp` */
  readonly mcp: string
  readonly admin: string
  readonly adminToken: string
  readonly started: Started
  /** What the gateway reported to its operators. */
  readonly reported: readonly JsonObject[]
  token(caller?: Caller): string
  /** One governed call, by the shortest way there is: no transport in between. */
  call(tool: string, args: JsonObject, more?: Partial<CallRequest> & { readonly as?: Caller }): Promise<Seen>
  /** Every record that is durable now, oldest first. */
  records(): Promise<readonly EvidenceRecord[]>
  /** What reached the bundled services, in both regions. */
  requests(): readonly SeenRequest[]
  close(): Promise<void>
}

/** Scopes that open every built-in tool. */
export const allGrants = [
  'orders.read',
  'flags.write:dev',
  'flags.write:staging',
  'flags.write:prod',
  'crm.write',
  'web.fetch',
  'web.post',
]

/**
 * Opens a development gateway with its services and both listeners, on free ports and on a data directory of its own.
 * Alerts go nowhere unless the test says where.
 */
export async function openTestGateway(options: OpenOptions = {}): Promise<TestGateway> {
  const { data: kept, ...asked } = options
  const data = kept ?? mkdtempSync(join(tmpdir(), 'sluicegate-gateway-'))
  const reported: JsonObject[] = []
  const report = (line: JsonObject) => void reported.push(line)
  const over = { alerts: { sinks: [] }, ...asked.over }
  const started = await start({ ...asked, over, environment: {}, data, report })
  const { gateway, options: resolved } = started
  const anyPort = { host: '127.0.0.1', port: 0 }
  const addresses = await listen({
    gateway,
    options: resolved,
    listen: { ...anyPort, hosts: [], origins: options.origins ?? [], ...options.listen },
    admin: { ...anyPort, ...options.admin },
    ...(started.reloads && { reloads: started.reloads }),
    ...(options.certificatesEveryMs !== undefined && { certificatesEveryMs: options.certificatesEveryMs }),
  })
  const issuer = await issuerOf(data)
  const token = (caller: Caller = {}) => issue(issuer, caller)
  let closed: Promise<void> | undefined
  const close = async () => {
    await addresses.close()
    await started.close()
    if (kept === undefined) rmSync(data, { recursive: true, force: true })
  }
  return {
    data,
    mcp: addresses.mcp,
    admin: addresses.admin,
    adminToken: gateway.keys.adminToken,
    started,
    reported,
    token,
    call: (tool, args, { as, ...more } = {}) => callOnce(started, token(as), tool, args, more),
    records: () => recordsIn(data),
    requests: () => Object.values(started.services).flatMap((service) => service.requests()),
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  }
}

/** Signs development tokens for a data directory; makes its key when there is none. */
export async function issuerOf(data: string): Promise<DevelopmentIssuer> {
  const key = await openIssuerKey(nodeFiles(), data)
  return developmentIssuer({ key, clock: systemClock(), mode: 'development' })
}

/** A token with a session of its own, unless the caller names one. */
export function issue(issuer: DevelopmentIssuer, caller: Caller): string {
  const {
    sub = 'agent:release',
    tenant = 'acme',
    grants = allGrants,
    ttlSec = 600,
    sid = randomUUID(),
    region,
    act,
  } = caller
  const more = { ...(sid !== '' && { sid }), ...(region && { region }), ...(act && { act: { sub: act } }) }
  return issuer.issue({ sub, tenant, scopes: grants, ttlSec, ...more })
}

/** The records of a data directory, oldest first. */
export async function recordsIn(data: string): Promise<readonly EvidenceRecord[]> {
  const records: EvidenceRecord[] = []
  for await (const { record } of readRecords(data, {})) records.push(record)
  return records
}

async function callOnce(
  { gateway }: Started,
  token: string,
  tool: string,
  args: JsonObject,
  more: Partial<CallRequest>,
): Promise<Seen> {
  const credential: Credential = { kind: 'bearer', token }
  const request = { transport: 'http', protocolVersion: '2026-07-28', credential, plan: {} } as const
  const signal = new AbortController().signal
  const settled = await gateway.service.call({ ...request, signal, toolName: tool, rawArgs: args, ...more })
  return seen(settled)
}

/** A settled call as an agent sees it. */
function seen(settled: Settled): Seen {
  const shown = surface(settled.outcome, 'http')
  const { outcome } = settled
  const structured =
    shown.kind === 'result' ? (shown.result['structuredContent'] as JsonObject | undefined) : shown.data
  const content = shown.kind === 'result' ? (shown.result['content'] as readonly { readonly text?: string }[]) : []
  return {
    settled,
    ended: outcome.kind === 'ok' ? 'ok' : outcome.refusal.denied.code,
    text: shown.kind === 'error' ? shown.message : (content[0]?.text ?? ''),
    wire: JSON.stringify(shown),
    ...(structured && { structured }),
  }
}
