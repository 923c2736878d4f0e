import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio'
import { Client as FirstClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as FirstStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as FirstHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

/** The SDK clients that must work unmodified. `v2 modern` speaks 2026-07-28, the others 2025-11-25. */
export const clientKinds = ['v2 modern', 'v2 legacy', 'v1'] as const
export type ClientKind = (typeof clientKinds)[number]

export type Door =
  | { readonly kind: 'http'; readonly url: string; readonly token: string }
  | { readonly kind: 'stdio'; readonly command: string; readonly args: readonly string[] }

/** What a program that uses the client gets. */
export interface Got {
  readonly ok: boolean
  readonly text: string
  readonly structured?: Readonly<Record<string, unknown>>
  /** Name of the error's class, its JSON-RPC code or HTTP status, where the client threw. */
  readonly thrown?: { readonly name: string; readonly code?: number; readonly status?: number; readonly data?: unknown }
}

export interface SdkClient extends AsyncDisposable {
  /** The revision that was agreed on. */
  readonly protocol: string | undefined
  readonly server: string | undefined
  list(): Promise<readonly { readonly name: string }[]>
  call(name: string, args: object, meta?: object): Promise<Got>
}

interface AnyClient {
  connect(transport: never): Promise<void>
  close(): Promise<void>
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>
  callTool(params: never): Promise<unknown>
  getServerVersion(): { readonly name: string } | undefined
}

/** Connects an unmodified client. Rejects when it cannot. */
export async function connect(kind: ClientKind, door: Door): Promise<SdkClient> {
  const client = clientOf(kind)
  const transport = transportOf(kind, door)
  await client.connect(transport as never)
  return {
    protocol: protocolOf(client, transport),
    server: client.getServerVersion()?.name,
    list: async () => (await client.listTools()).tools,
    call: (name, args, meta) =>
      client.callTool({ name, arguments: args, ...(meta && { _meta: meta }) } as never).then(answered, threw),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** What a client's failure to connect looks like. */
export async function refusal(kind: ClientKind, door: Door): Promise<Got> {
  return connect(kind, door).then(
    async (client) => {
      await client[Symbol.asyncDispose]()
      return { ok: true, text: 'connected' }
    },
    (error: unknown) => threw(error),
  )
}

function clientOf(kind: ClientKind): AnyClient {
  const info = { name: `interop ${kind}`, version: '1.0.0' }
  if (kind === 'v1') return new FirstClient(info)
  const mode = kind === 'v2 modern' ? ({ pin: '2026-07-28' } as const) : ('legacy' as const)
  return new ModernClient(info, { versionNegotiation: { mode } })
}

function transportOf(kind: ClientKind, door: Door): object {
  if (door.kind === 'stdio') {
    const { command, args } = door
    const child = { command, args: [...args], stderr: 'ignore' as const }
    return kind === 'v1' ? new FirstStdio(child) : new ModernStdio(child)
  }
  const requestInit = { headers: { authorization: `Bearer ${door.token}` } }
  const url = new URL(door.url)
  return kind === 'v1' ? new FirstHttp(url, { requestInit }) : new ModernHttp(url, { requestInit })
}

function protocolOf(client: AnyClient, transport: object): string | undefined {
  const asked = (client as { getNegotiatedProtocolVersion?(): string | undefined }).getNegotiatedProtocolVersion?.()
  return asked ?? (transport as { protocolVersion?: string }).protocolVersion
}

function answered(result: unknown): Got {
  const { content, structuredContent, isError } = result as {
    readonly content: readonly { readonly type: string; readonly text?: string }[]
    readonly structuredContent?: Readonly<Record<string, unknown>>
    readonly isError?: boolean
  }
  const text = content.find(({ type }) => type === 'text')?.text ?? ''
  return { ok: isError !== true, text, ...(structuredContent && { structured: structuredContent }) }
}

function threw(error: unknown): Got {
  const { name, message, code, status, data } = error as Error & { code?: number; status?: number; data?: unknown }
  const thrown = { name, ...(code !== undefined && { code }), ...(status !== undefined && { status }), data }
  return { ok: false, text: message, thrown }
}
