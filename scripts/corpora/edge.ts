import { PassThrough } from 'node:stream'
import { z } from 'zod'
import type { Json, JsonObject } from '../../src/ports/json.ts'
import type { Tool } from '../../src/ports/tool.ts'
import { listenStdio } from '../../src/server/stdio.ts'
import { defineTool } from '../../src/tools/define.ts'
import { openTestGateway, type TestGateway } from '../../test/support/gateway.ts'
import { modern, send, type Message } from '../../test/support/wire.ts'

/** What a transport said to one hostile message. */
export interface Said {
  /** Codes of the errors that refused it as a message. A refusal of the call it makes is none of them: it was understood. */
  readonly codes: readonly number[]
  /** Something other than a refusal came back, or a message was taken without a word. */
  readonly served: boolean
}

/** A door of the gateway, written to byte for byte. */
export interface Edge {
  readonly name: 'http' | 'stdio'
  /** Sends bytes as one message, with the headers that go with it where there are headers. Rejects when nobody answers any more. */
  say(bytes: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Said>
}

/** The product with both its doors open, its clocks and its evidence, and a tool that says what it was given. */
export interface Edges extends AsyncDisposable {
  readonly gateway: TestGateway
  readonly doors: readonly Edge[]
  /** The arguments the tool was run with, oldest first. */
  readonly heard: readonly JsonObject[]
  /** Faults the gateway reported, and rejections nobody handled. */
  readonly crashes: readonly string[]
}

const principal = 'agent:corpora'
const scope = 'corpora.echo'

/** Opens a development gateway whose limits are out of the way of a suite that asks thousands of things. */
export async function openEdges(): Promise<Edges> {
  const heard: JsonObject[] = []
  const crashes: string[] = []
  const crashed = (error: unknown) => void crashes.push(String(error))
  const gateway = await openTestGateway({ tools: [echo(heard)], over })
  process.on('unhandledRejection', crashed).on('uncaughtException', crashed)
  const { service } = gateway.started.gateway
  const [input, output] = [new PassThrough(), new PassThrough()]
  const credential = { kind: 'bearer', token: tokenOf(gateway) } as const
  const stdio = await listenStdio({ service, shows: () => credential, input, output, fault: crashed })
  const doors = [httpEdge(gateway), await stdioEdge(input, output)]
  return {
    gateway,
    doors,
    heard,
    crashes,
    async [Symbol.asyncDispose]() {
      process.off('unhandledRejection', crashed).off('uncaughtException', crashed)
      await stdio.close()
      await gateway.close()
    },
  }
}

/** A token that may call the tool. */
const tokenOf = (gateway: TestGateway): string => gateway.token({ sub: principal, grants: [scope], sid: 'corpora' })

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

function httpEdge(gateway: TestGateway): Edge {
  return {
    name: 'http',
    async say(bytes, headers = {}) {
      const authorization = `Bearer ${tokenOf(gateway)}`
      const answer = await send(gateway.mcp, { headers: { authorization, ...headers }, body: Buffer.from(bytes) })
      if (answer.status >= 500) throw new Error(`HTTP ${answer.status}: ${answer.text}`)
      return said([answer.message], answer.status < 400)
    },
  }
}

const sentinel = 'after-it'

/** One connection for all messages. A message that gets no answer is known by the answer to the next one. */
async function stdioEdge(input: PassThrough, output: PassThrough): Promise<Edge> {
  const lines: Message[] = []
  let wake = (): void => undefined
  let rest = ''
  output.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts.map((line) => JSON.parse(line) as Message))
    wake()
  })
  const until = async (fits: (line: Message) => boolean): Promise<void> => {
    while (!lines.some(fits)) {
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('stdio answers no more')), 10_000)
        wake = () => (clearTimeout(late), resolve())
      })
    }
  }
  const ask = async (id: string): Promise<void> => {
    input.write(`\n${JSON.stringify({ ...modern('tools/list').body, id })}\n`)
    await until((line) => line.id === id)
  }
  await ask('opening')
  return {
    name: 'stdio',
    async say(bytes) {
      lines.length = 0
      input.write(bytes)
      await ask(sentinel)
      if (isRequest(bytes)) await until((line) => line.id !== sentinel)
      const answers = lines.filter((line) => line.id !== sentinel)
      return said(answers, answers.length === 0 && !/^[\r\n]*$/.test(Buffer.from(bytes).toString()))
    },
  }
}

/** A request is answered, though perhaps after shorter ones that came later. */
function isRequest(bytes: Uint8Array): boolean {
  try {
    const { id, method } = JSON.parse(Buffer.from(bytes).toString()) as { id?: unknown; method?: unknown }
    return method !== undefined && (typeof id === 'string' || Number.isInteger(id))
  } catch {
    return false
  }
}

function said(answers: readonly Message[], silent: boolean): Said {
  const errors = answers.flatMap(({ error }) => (error ? [error] : []))
  const codes = errors.filter(({ data }) => data?.['denied'] === undefined).map(({ code }) => code)
  const understood = errors.length > codes.length || answers.some(({ result }) => result !== undefined)
  return { codes, served: codes.length === 0 && (silent || understood) }
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
