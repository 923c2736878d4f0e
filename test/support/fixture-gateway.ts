import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { nodeFiles } from '../../src/adapters/files.ts'
import { openIssuerKey } from '../../src/adapters/issuer-key-file.ts'
import { listen } from '../../src/apps/serve.ts'
import { start } from '../../src/demo/development.ts'
import { developmentIssuer } from '../../src/identity/issuer.ts'
import { authProxy } from './auth-proxy.ts'
import { everything, fixtureScope } from './everything.ts'

/** A development gateway with the fixture tools beside its own, on free loopback ports and a data directory of its own. */
export interface FixtureGateway {
  /** Where MCP clients connect. */
  readonly mcp: string
  /** The same for clients that cannot present a token: whoever connects here is the fixture principal. */
  readonly mcpWithoutToken: string
  /** A fresh token of the fixture principal, who may see and call every fixture tool as often as it likes. */
  token(): string
  close(): Promise<void>
}

const principal = 'agent:fixture'
const scopes = [fixtureScope, 'orders.read', 'flags.write:staging']

/** Opens the gateway. Its data directory is gone once it is closed. */
export async function fixtureGateway(): Promise<FixtureGateway> {
  await using held = new AsyncDisposableStack()
  const data = await mkdtemp(join(tmpdir(), 'sluicegate-fixture-'))
  held.defer(() => rm(data, { recursive: true, force: true }))
  const issuer = developmentIssuer({
    key: await openIssuerKey(nodeFiles(), data),
    clock: systemClock(),
    mode: 'development',
  })
  const token = () => issuer.issue({ sub: principal, tenant: 'acme', scopes, ttlSec: 600 })
  let mcp = ''
  const proxy = await authProxy({ target: () => new URL(mcp), token })
  held.defer(() => proxy.close())
  const report = (line: object) => void process.stderr.write(`${JSON.stringify(line)}\n`)
  const started = await start({ data, environment: {}, report, tools: everything, over })
  held.defer(() => started.close())
  const loopback = { host: '127.0.0.1', port: 0 }
  const { gateway, options } = started
  const addresses = await listen({
    gateway,
    options,
    listen: { ...loopback, hosts: [], origins: [proxy.origin] },
    admin: loopback,
  })
  held.defer(() => addresses.close())
  mcp = addresses.mcp
  const open = held.move()
  return { mcp, mcpWithoutToken: `${proxy.origin}/mcp`, token, close: () => open.disposeAsync() }
}

/** Every control stays on; only the ceilings are out of the way of a suite that asks the same thing again and again. */
const over = {
  policies: ['builtin', { rule: 'allow-fixture', when: { tool: ['test_*', 'json_schema_*'] }, decision: 'allow' }],
  principals: [
    {
      principal,
      limits: { rpm: 60_000, burst: 10_000, concurrency: 64 },
      stop_rules: { max_plan_depth: 1000, max_retries: 1000 },
    },
  ],
  detector: { stages: { default: 'shadow' } },
  alerts: { sinks: [] },
}
