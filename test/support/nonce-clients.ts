import { randomInt } from 'node:crypto'
import { z } from 'zod'
import { openConnection } from '../../bench/connection.ts'
import type { Tool } from '../../src/ports/tool.ts'
import { defineTool } from '../../src/tools/define.ts'
import { openTestGateway, type TestGateway } from './gateway.ts'
import { initialize, legacyCall, modernCall, rpc } from './wire.ts'

/** How a client speaks: 2026-07-28, or 2025-11-25 with a session or without one. */
export const manners = ['modern', 'legacy', 'session'] as const
export type Manner = (typeof manners)[number]

/** One client among many that all use the same request ids. */
export interface NonceClient {
  readonly tenant: string
  readonly token: string
  readonly manner: Manner
  /** Stands in every call of this client and in no other's. */
  readonly mark: string
}

/** What was wrong with one answer. */
export interface Foreign {
  readonly client: string
  readonly why: string
  readonly answer: string
}

const markForm = /zq[a-z]{14}/g

/** A word that nobody else says. */
function freshMark(): string {
  return `zq${Array.from({ length: 14 }, () => String.fromCharCode(97 + randomInt(26))).join('')}`
}

/** Every mark in a text. */
export const marksIn = (text: string): readonly string[] => text.match(markForm) ?? []

/** Scope of the tool below. */
const nonceScope = 'nonce.echo'

/** Says back what it was told, and for whom it was run; answers come in an order of their own. */
const nonceTool: Tool = defineTool<{ readonly mark: string; readonly turns: number }>({
  name: 'nonce.echo',
  title: 'Nonce',
  description: 'Says back what it was told.',
  args: z.strictObject({ mark: z.string().max(64), turns: z.int().min(0).max(8) }),
  result: z.strictObject({ mark: z.string(), tenant: z.string(), actor: z.string() }),
  effect: 'read',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  costUsd: 0,
  examples: [],
  scopes: () => [nonceScope],
  visibleWith: [nonceScope],
  async invoke({ mark, turns }, { tenant, actor }) {
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    return { structured: { mark, tenant, actor }, content: [{ type: 'text', text: `${mark} for ${tenant}` }] }
  },
})

/** Who makes as many calls as it likes. */
const tireless = (n: number) => ({
  principal: `agent:client-${n}`,
  limits: { rpm: 1_000_000, burst: 1_000_000, concurrency: 10_000 },
  stop_rules: { max_retries: 1_000_000 },
})

/** Opens a gateway with the tool, for so many clients. Spans are not kept: a million calls would fill a disk. */
export function nonceGateway(clients: number): Promise<TestGateway> {
  return openTestGateway({
    tools: [nonceTool],
    over: {
      policies: ['builtin', { rule: 'allow-nonce', when: { tool: ['nonce.echo'] }, decision: 'allow' }],
      principals: Array.from({ length: clients }, (_, n) => tireless(n)),
      detector: { stages: { default: 'off' } },
      telemetry: { spansFile: false },
    },
  })
}

/** The tenants of clients, in turn. */
export const nonceTenants = ['acme', 'initech']

/** So many clients, each with a tenant, a manner, a token and a mark of its own. */
export function nonceClients(gateway: TestGateway, count: number): readonly NonceClient[] {
  return Array.from({ length: count }, (_, n) => {
    const tenant = nonceTenants[n % nonceTenants.length] ?? 'acme'
    const manner = manners[n % manners.length] ?? 'modern'
    const token = gateway.token({ sub: `agent:client-${n}`, tenant, grants: [nonceScope], sid: `run-${n}` })
    return { tenant, manner, token, mark: freshMark() }
  })
}

/** Lets all clients call at once, each on a connection of its own and with the same ids. Gives what was not theirs. */
export async function callAtOnce(
  mcp: string,
  clients: readonly NonceClient[],
  callsEach: number,
): Promise<readonly Foreign[]> {
  const found: Foreign[] = []
  await Promise.all(clients.map((client) => callInTurn(mcp, client, callsEach, found)))
  return found
}

async function callInTurn(mcp: string, client: NonceClient, calls: number, found: Foreign[]): Promise<void> {
  const headers = await headersOf(mcp, client)
  const connection = await openConnection({ port: Number(new URL(mcp).port), headers })
  for (let call = 0; call < calls; call += 1) {
    const answer = await connection.post(JSON.stringify({ ...bodyOf(client, call), id: call % 3 }))
    const why = problemIn(answer, client, call % 3)
    if (why !== undefined) found.push({ client: `${client.tenant} ${client.manner}`, why, answer })
  }
  connection.close()
}

function bodyOf({ manner, mark }: NonceClient, call: number): object {
  const args = { mark, turns: call % 4 }
  return manner === 'modern' ? modernCall('nonce.echo', args).body : legacyCall('nonce.echo', args)
}

async function headersOf(mcp: string, { token, manner }: NonceClient): Promise<Record<string, string>> {
  const always = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  if (manner === 'modern') return { ...always, ...modernCall('nonce.echo', {}).headers }
  if (manner === 'legacy') return { ...always, 'mcp-protocol-version': '2025-11-25' }
  const { headers } = await rpc(mcp, token, initialize)
  return { ...always, 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': String(headers['mcp-session-id']) }
}

/** Why an answer, head included, is not this client's own. */
export function problemIn(answer: string, { mark, tenant }: NonceClient, id: number): string | undefined {
  const marks = marksIn(answer)
  if (marks.some((one) => one !== mark)) return 'it holds the mark of somebody else'
  if (marks.length === 0) return 'it does not hold the mark of its client'
  if (!answer.includes(`${mark} for ${tenant}`)) return 'it was run for another tenant'
  return answer.includes(`"id":${id}`) ? undefined : 'it answers another id'
}
