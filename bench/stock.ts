import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpServer as McpServerV2 } from '@modelcontextprotocol/server'
import { argsSchema, lookUp, resultSchema, toolName, type LookupArgs } from './lookup.ts'

const info = { name: 'stock', version: '1' }
const tool = { title: 'Look up an order', inputSchema: argsSchema, outputSchema: resultSchema }

async function answer(args: LookupArgs) {
  const found = lookUp(args)
  return { content: [{ type: 'text' as const, text: JSON.stringify(found) }], structuredContent: { ...found } }
}

/** A server of the first SDK line, as its documentation builds one. */
export function stockV1(): McpServerV1 {
  const server = new McpServerV1(info)
  server.registerTool(toolName, tool, answer)
  return server
}

/** A server of the second SDK line, as its documentation builds one. */
export function stockV2(): McpServerV2 {
  const server = new McpServerV2(info)
  server.registerTool(toolName, tool, answer)
  return server
}
