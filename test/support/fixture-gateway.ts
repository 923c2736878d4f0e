import { authProxy } from './auth-proxy.ts'
import { everything, fixtureScope } from './everything.ts'
import { openTestGateway, type TestGateway } from './gateway.ts'

/** A development gateway with the fixture tools beside its own. */
export interface FixtureGateway {
  /** Where MCP clients connect. */
  readonly mcp: string
  /** The same for clients that cannot present a token: whoever connects here is the fixture principal. */
  readonly mcpWithoutToken: string
  /** A fresh token of the fixture principal, who may call every fixture tool as often as it likes. */
  token(): string
  close(): Promise<void>
}

/** Opens the gateway and a proxy in front of it. Its data directory is gone once it is closed. */
export async function fixtureGateway(): Promise<FixtureGateway> {
  const behind: { gateway?: TestGateway } = {}
  const target = () => new URL(behind.gateway?.mcp ?? '')
  const token = () => behind.gateway?.token({ sub: principal, grants, sid: 'fixture' }) ?? ''
  const proxy = await authProxy({ target, token })
  const gateway = await openTestGateway({ tools: everything, over, origins: [proxy.origin] })
  behind.gateway = gateway
  return {
    mcp: gateway.mcp,
    mcpWithoutToken: `${proxy.origin}/mcp`,
    token,
    async close() {
      proxy.close()
      await gateway.close()
    },
  }
}

const principal = 'agent:fixture'
const grants = [fixtureScope, 'orders.read', 'flags.write:staging']

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
}
