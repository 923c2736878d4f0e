import { argsOf, toolName } from './lookup.ts'

/** The protocol revisions that are measured: `modern` needs no session, `legacy` opens one or not. */
export type Era = 'modern' | 'legacy'

const modernMeta = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
})

/** The message of the n-th call, whose id is n. */
export function callText(era: Era, ordinal: number): string {
  return textOf(era, ordinal, toolName, argsOf(ordinal))
}

/** The message of a call of any tool. */
export function textOf(era: Era, id: number, tool: string, args: object): string {
  const meta = era === 'modern' ? `,"_meta":${modernMeta}` : ''
  const params = `{"name":"${tool}","arguments":${JSON.stringify(args)}${meta}}`
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`
}

export const initializeText = JSON.stringify({
  jsonrpc: '2.0',
  id: 'initialize',
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } },
})

export const initializedText = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })

const always = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

/** The headers of a call. */
export function headersOf(era: Era, tool = toolName): Readonly<Record<string, string>> {
  return era === 'modern'
    ? { ...always, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': tool }
    : { ...always, 'mcp-protocol-version': '2025-11-25' }
}
