import { specTypeSchemas } from '@modelcontextprotocol/server'
import { isJsonObject, type Json, type JsonObject } from '../../src/ports/json.ts'
import { modern } from '../../test/support/wire.ts'
import type { Edge } from './doors.ts'
import type { Edges } from './edge.ts'

/** A value, and the definition of the official schema that it is, or is not, one of. */
export interface MessageRow {
  readonly id: string
  readonly def: string
  readonly value: Json
  readonly expect: string
}

export interface MessageCounts {
  readonly reject: number
  readonly accepted: readonly string[]
  readonly crashes: readonly string[]
  readonly examples: number
  /** Official examples that were not taken for what they are. */
  readonly refused: readonly string[]
  /** Examples of what no client says and the protocol layer has no schema for. */
  readonly untried: readonly string[]
}

/** Malformed messages are refused with one of these, and nothing else counts as a refusal. */
const refusals = [-32600, -32602]

/** Sends every row through every door as a message of 2026-07-28. */
export async function tryMessages(edges: Edges, rows: readonly MessageRow[]): Promise<MessageCounts> {
  const accepted: string[] = []
  const crashes: string[] = []
  const refused: string[] = []
  const before = edges.crashes().length
  const tried = rows.filter((row) => !isExample(row) || isKnown(row))
  for (const row of tried) {
    for (const door of edges.doors) {
      const where = `${row.id} (${door.name})`
      try {
        if (!isExample(row) && !(await isRefused(door, row.value))) accepted.push(where)
        if (isExample(row) && !(await isTaken(door, row))) refused.push(where)
      } catch (error) {
        crashes.push(`${where}: ${String(error)}`)
      }
    }
  }
  const examples = tried.filter(isExample).length
  return {
    reject: tried.length - examples,
    accepted,
    crashes: [...crashes, ...edges.crashes().slice(before)],
    examples,
    refused,
    untried: rows.filter((row) => !tried.includes(row)).map(({ id }) => id),
  }
}

const isExample = ({ expect }: MessageRow): boolean => expect.startsWith('accept')

const schemas = specTypeSchemas as Partial<Record<string, Schema>>

const isKnown = ({ def, value }: MessageRow): boolean =>
  messageWith(def, value) !== undefined || Object.hasOwn(schemas, def)

/** Every answer is a refusal, and there is one. */
async function isRefused(door: Edge, value: Json): Promise<boolean> {
  const { codes, served } = await door.say(Buffer.from(JSON.stringify(value)), headersOf(value))
  return !served && codes.length > 0 && codes.every((code) => refusals.includes(code))
}

/** A value that stands in a message is sent in one; one that only servers say is judged by the protocol layer's own schema. */
async function isTaken(door: Edge, { def, value }: MessageRow): Promise<boolean> {
  const message = messageWith(def, value)
  if (message !== undefined) return !(await isRefused(door, message))
  const judged = await schemas[def]?.['~standard'].validate(value)
  return judged !== undefined && judged.issues === undefined
}

interface Schema {
  readonly '~standard': { validate(value: unknown): Judged | Promise<Judged> }
}

interface Judged {
  readonly issues?: readonly unknown[]
}

/** The headers that go with a message over HTTP, as far as it has what they mirror. */
function headersOf(value: Json): Record<string, string> {
  const version = { 'mcp-protocol-version': '2026-07-28' }
  if (!isJsonObject(value) || typeof value['method'] !== 'string') return version
  const params = value['params']
  const named = params !== undefined && isJsonObject(params) ? (params['name'] ?? params['uri']) : undefined
  return { ...version, 'mcp-method': value['method'], ...(typeof named === 'string' && { 'mcp-name': named }) }
}

/** The message that carries a value of this definition; undefined where a client sends none. */
function messageWith(def: string, value: Json): Json | undefined {
  if (isJsonObject(value) && value['jsonrpc'] === '2.0') return value
  if (def.endsWith('RequestParams')) return request(def, value)
  if (def.endsWith('NotificationParams')) return { jsonrpc: '2.0', method: notificationOf(def), params: value }
  if (def.endsWith('Error')) return { jsonrpc: '2.0', id: 1, error: value }
  if (/^Elicit.*Params$/.test(def)) return asked('elicitation/create', value)
  if (def === 'InputRequests') return result({ resultType: 'input_required', inputRequests: value })
  if (def === 'InputRequest') return result({ resultType: 'input_required', inputRequests: { one: value } })
  if (def === 'InputResponse') return call({ inputResponses: { one: value } })
  if (def === 'InputResponses') return call({ inputResponses: value })
  if (def === 'ClientCapabilities') return call({ _meta: { 'io.modelcontextprotocol/clientCapabilities': value } })
  if (def.endsWith('Result') && isJsonObject(value)) return result({ resultType: 'complete', ...value })
  return undefined
}

/** A result that asks for something first. */
const asked = (method: string, params: Json): Json =>
  result({ resultType: 'input_required', inputRequests: { one: { method, params } } })

const result = (value: JsonObject): Json => ({ jsonrpc: '2.0', id: 1, result: value })

const methods: Readonly<Record<string, string>> = {
  CallTool: 'tools/call',
  Complete: 'completion/complete',
  GetPrompt: 'prompts/get',
  ReadResource: 'resources/read',
  SubscriptionsListen: 'subscriptions/listen',
}

function request(def: string, params: Json): Json | undefined {
  const method = methods[def.replace('RequestParams', '')]
  return method === undefined ? undefined : { jsonrpc: '2.0', id: 1, method, params }
}

const notificationOf = (def: string): string =>
  `notifications/${{ Cancelled: 'cancelled', Progress: 'progress', LoggingMessage: 'message', ResourceUpdated: 'resources/updated' }[def.replace('NotificationParams', '')] ?? 'other'}`

function call(more: JsonObject): Json {
  const { _meta, ...params } = more
  const { body } = modern('tools/call', { name: 'echo', arguments: {}, ...params })
  const meta = { ...body.params._meta, ...(_meta !== undefined && isJsonObject(_meta) && _meta) }
  return { ...body, params: { ...body.params, _meta: meta } }
}
