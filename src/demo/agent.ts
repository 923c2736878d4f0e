import {
  Client,
  InsufficientScopeError,
  SdkHttpError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { startPlan, type Plan } from '../client.ts'
import type { JsonObject } from '../ports/json.ts'

/** How an agent reaches the gateway. */
export type Door =
  | { readonly kind: 'http'; readonly url: string; readonly token: string; readonly era: 'modern' | 'legacy' }
  | { readonly kind: 'stdio'; readonly command: string; readonly args: readonly string[] }

/** What the scenario asks an agent to do. */
export type Ask =
  | {
      readonly kind: 'connect'
      readonly name: string
      readonly tenant: string
      readonly grants: readonly string[]
      readonly door: Door
      readonly spansFile: string
    }
  | { readonly kind: 'list' }
  | {
      readonly kind: 'call'
      readonly tool: string
      readonly args: JsonObject
      readonly plan: { readonly step: number; readonly depth: number; readonly retry: number }
    }
  | { readonly kind: 'end' }

/** What the agent saw. */
export interface Saw {
  readonly ok: boolean
  /** First text block, or the error's message. */
  readonly text: string
  readonly structured?: JsonObject
  /** HTTP status of a refusal that has one. */
  readonly status?: number
  readonly tools?: readonly string[]
}

/**
 * One agent: a process of its own with an unmodified MCP client. It does what the scenario asks over IPC, and tells what it saw.
 * An agent that plans opens `agent.plan` and lets every call hang below it.
 */
async function main(): Promise<void> {
  let client: Client | undefined
  let plan: Plan | undefined
  process.on('message', (message) => {
    void answer(message as Ask)
      .catch(seen)
      .then((saw) => process.send?.(saw, () => (message as Ask).kind === 'end' && process.disconnect()))
  })

  async function answer(ask: Ask): Promise<Saw> {
    switch (ask.kind) {
      case 'connect': {
        client = new Client({ name: ask.name, version: '1.0.0' }, { versionNegotiation: { mode: modeOf(ask.door) } })
        const { name, tenant, grants, spansFile } = ask
        plan = startPlan({ id: `${name}-plan`, actor: name, tenant, scopes: grants, spansFile })
        await client.connect(transportFor(ask.door))
        return { ok: true, text: 'connected' }
      }
      case 'list': {
        const { tools } = await connected(client).listTools()
        return { ok: true, text: '', tools: tools.map(({ name }) => name) }
      }
      case 'call':
        return call(connected(client), ask, plan?.meta(ask.plan))
      case 'end':
        await plan?.end()
        await client?.close()
        return { ok: true, text: 'ended' }
    }
  }
}

function connected(client: Client | undefined): Client {
  if (!client) throw new Error('the agent is not connected')
  return client
}

function modeOf(door: Door): 'legacy' | { pin: string } {
  return door.kind === 'http' && door.era === 'legacy' ? 'legacy' : { pin: '2026-07-28' }
}

function transportFor(door: Door) {
  if (door.kind === 'stdio')
    return new StdioClientTransport({ command: door.command, args: [...door.args], stderr: 'inherit' })
  const headers = { authorization: `Bearer ${door.token}` }
  return new StreamableHTTPClientTransport(new URL(door.url), { requestInit: { headers } })
}

async function call(
  client: Client,
  { tool, args }: Extract<Ask, { kind: 'call' }>,
  _meta: object | undefined,
): Promise<Saw> {
  const result = await client.callTool({
    name: tool,
    arguments: args as Record<string, unknown>,
    ...(_meta && { _meta }),
  } as never)
  const content = result.content as readonly { readonly type: string; readonly text?: string }[]
  const structured = result.structuredContent as JsonObject | undefined
  return {
    ok: result.isError !== true,
    text: content.find(({ type }) => type === 'text')?.text ?? '',
    ...(structured && { structured }),
  }
}

function seen(error: unknown): Saw {
  if (error instanceof InsufficientScopeError)
    return { ok: false, text: `DENY scope_missing: ${error.message}`, status: 403 }
  const text = error instanceof Error ? `${error.message} ${bodyOf(error)}` : String(error)
  return {
    ok: false,
    text,
    ...(error instanceof SdkHttpError && error.status !== undefined && { status: error.status }),
  }
}

/** The answer's own words, which some clients keep beside the message. */
function bodyOf(error: Error): string {
  const { data } = error as { data?: unknown }
  return data === undefined ? '' : JSON.stringify(data)
}

if (import.meta.main) await main()
