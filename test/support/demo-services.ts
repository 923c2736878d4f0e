import { startService, type Note, type Service } from '../../src/demo/service/start.ts'
import type { Faults } from '../../src/demo/service/faults.ts'
import type { Region } from '../../src/demo/service/tenants.ts'
import { outgoingGate, type GateSight, type Sleep } from '../../src/adapters/outgoing-gate.ts'
import type { Traffic } from '../../src/demo/service/traffic.ts'
import { serviceClient, type ServiceClient, type ServiceClientOptions } from '../../src/adapters/service-http.ts'
import { defaultGuard } from '../../src/limits/guard.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { ToolContext } from '../../src/ports/tool.ts'
import { testClock } from './clock.ts'

export const serviceToken = 'gateway-credential-for-tests'

/** One region's service, with a credential for all three tenants and one for initech alone. */
export async function aService(
  region: Region,
  more: { notes?: readonly Note[]; faults?: Faults; traffic?: Traffic; nowMs?: () => number; port?: number } = {},
) {
  const { nowMs = () => Date.UTC(2025, 9, 1), ...rest } = more
  const tokens = { [serviceToken]: ['acme', 'globex', 'initech'], 'initech-only': ['initech'] }
  return startService({ region, seed: 'test', clock: { nowMs, monoNs: () => 0n }, tokens, ...rest })
}

/** A client towards some services. Pauses are written down, not waited for; deadlines never come. */
export function aClient(
  byRegion: Readonly<Record<string, string>>,
  more: Partial<ServiceClientOptions> & { readonly clock?: Clock; readonly sight?: Partial<GateSight> } = {},
) {
  const pauses: number[] = []
  const { clock = testClock(), sight = {}, ...over } = more
  const sleep: Sleep = async (ms, signal) => {
    if (ms === defaultGuard.timeoutMs) await never(signal)
    pauses.push(ms)
  }
  const { sleep: sleepOf = sleep, random = () => 0.5 } = over
  const gate = outgoingGate({ clock, random, sleep: sleepOf, sight })
  const options: ServiceClientOptions = {
    services: { orders: byRegion, flags: byRegion, crm: byRegion },
    credential: () => serviceToken,
    random,
    nowMs: clock.nowMs,
    gate,
    sleep: sleepOf,
    ...over,
  }
  return { client: serviceClient(options), pauses, gate }
}

/** What a tool may use, towards these services and nowhere else. */
export function aContext(client: ServiceClient, more: Partial<ToolContext> = {}): ToolContext {
  const { tenant = 'acme', region = 'us-east', operationId } = more
  const signal = more.signal ?? new AbortController().signal
  return {
    call: {
      req: 'call-1',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      session: 'session',
    },
    tenant,
    region,
    actor: 'agent:test',
    grants: [],
    signal,
    service: client({ tenant, region, signal, ...(operationId !== undefined && { operationId }) }),
    fetch: async () => {
      throw new Error('this test gave the tool no egress')
    },
    ...more,
  }
}

export async function get(service: Service, path: string, tenant: string, token = serviceToken): Promise<Response> {
  return fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${token}`, 'x-tenant': tenant } })
}

function never(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
  })
}
