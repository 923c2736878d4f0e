import { PassThrough } from 'node:stream'
import { z } from 'zod'
import type { Json, JsonObject } from '../../src/ports/json.ts'
import type { Tool } from '../../src/ports/tool.ts'
import { listenStdio } from '../../src/server/stdio.ts'
import { defineTool } from '../../src/tools/define.ts'
import { openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import { modern } from '../../test/support/wire.ts'
import { httpEdge, stdioEdge, type Edge } from './doors.ts'

/** The product with both its doors open, its clocks and its evidence, and a tool that says what it was given. */
export interface Edges extends AsyncDisposable {
  readonly gateway: TestGateway
  readonly doors: readonly Edge[]
  /** The arguments the tool was run with, oldest first. */
  readonly heard: readonly JsonObject[]
  /** Faults so far: those a listener or the gateway reported, and rejections nobody handled. */
  crashes(): readonly string[]
}

const principal = 'agent:corpora'
const scope = 'corpora.echo'

/** Opens a development gateway whose limits are out of the way of a suite that asks thousands of things. */
export async function openEdges(): Promise<Edges> {
  const heard: JsonObject[] = []
  const faults: string[] = []
  const crashed = (error: unknown) => void faults.push(String(error))
  const gateway = await openTestGateway({ tools: [echo(heard)], over })
  process.on('unhandledRejection', crashed).on('uncaughtException', crashed)
  const { service } = gateway.started.gateway
  const [input, output] = [new PassThrough(), new PassThrough()]
  const token = () => gateway.token({ sub: principal, grants: [scope], sid: 'corpora' })
  const credential = { kind: 'bearer', token: token() } as const
  const stdio = await listenStdio({ service, shows: () => credential, input, output, fault: crashed })
  const doors = [httpEdge(gateway.mcp, token), await stdioEdge(input, output)]
  return {
    gateway,
    doors,
    heard,
    crashes: () => [...faults, ...faultsIn(gateway.reported)],
    async [Symbol.asyncDispose]() {
      process.off('unhandledRejection', crashed).off('uncaughtException', crashed)
      await stdio.close()
      await gateway.close()
    },
  }
}

/** What a gateway told its operators of its own faults, and of calls that ended with one: no row may cause any. */
export function faultsIn(reported: readonly JsonObject[]): readonly string[] {
  const faults = reported.filter((line) => line['level'] === 'error' && ('fault' in line || 'call' in line))
  return faults.map((line) => JSON.stringify(line))
}

const over = {
  policies: ['builtin', { rule: 'allow-echo', when: { tool: ['echo'] }, decision: 'allow' }],
  principals: [
    {
      principal,
      limits: { rpm: 1_000_000, burst: 1_000_000, concurrency: 64 },
      stop_rules: { max_plan_depth: 1000, max_retries: 1_000_000 },
    },
  ],
  detector: { stages: { default: 'off' } },
}

/** Takes anything for `value`, and remembers it. */
function echo(heard: JsonObject[]): Tool {
  const tool = defineTool<Record<string, never>>({
    name: 'echo',
    title: 'Echo',
    description: 'Remembers what it was given.',
    args: z.strictObject({}),
    effect: 'read',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    costUsd: 0,
    examples: [],
    scopes: () => [scope],
    visibleWith: [scope],
    async invoke(args) {
      heard.push(args)
      return { content: [{ type: 'text', text: 'heard' }] }
    },
  })
  return { ...tool, validate: (args) => ({ ok: true, args: args as JsonObject }) }
}

/** A call of the tool around a value that is already JSON text, and its headers. */
export function echoing(value: Uint8Array): { readonly bytes: Uint8Array; readonly headers: Record<string, string> } {
  const { body, headers } = modern(
    'tools/call',
    { name: 'echo', arguments: { value: 0 as Json } },
    { 'mcp-name': 'echo' },
  )
  const [before = '', after = ''] = JSON.stringify(body).split('"value":0')
  return { bytes: Buffer.concat([Buffer.from(`${before}"value":`), value, Buffer.from(after)]), headers }
}
