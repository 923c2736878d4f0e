import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'

/** Whether a value is what a field may hold. Absent fields are `undefined`. */
export type Shape = (value: Json | undefined) => boolean

export const text: Shape = (value) => typeof value === 'string'
const flag: Shape = (value) => typeof value === 'boolean'
const number: Shape = (value) => typeof value === 'number'
export const object: Shape = (value) => value !== undefined && isJsonObject(value)
const anything: Shape = (value) => value !== undefined
/** A request id or a progress token: text, or a whole number that every reader reads alike. */
export const id: Shape = (value) => typeof value === 'string' || Number.isSafeInteger(value)

export const optional =
  (shape: Shape): Shape =>
  (value) =>
    value === undefined || shape(value)

const oneOf =
  (...words: readonly string[]): Shape =>
  (value) =>
    typeof value === 'string' && words.includes(value)

const listOf =
  (shape: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.every(shape)

const mapOf =
  (shape: Shape): Shape =>
  (value) =>
    value !== undefined && isJsonObject(value) && Object.values(value).every(shape)

/** An object whose named fields fit; what it holds beside them is its own business. */
const withFields =
  (fields: Fields): Shape =>
  (value) =>
    value !== undefined && isJsonObject(value) && wrongField(fields, value) === undefined

export type Fields = Readonly<Record<string, Shape>>

/** The first of the fields that does not fit. */
export function wrongField(fields: Fields, value: JsonObject): string | undefined {
  for (const name in fields) {
    if (!fields[name]?.(Object.hasOwn(value, name) ? value[name] : undefined)) return name
  }
  return undefined
}

const page: Fields = { cursor: optional(text) }
const none: Fields = {}
export const level = oneOf('debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency')

/** Who the other side says it is. */
export const implementation = withFields({
  name: text,
  version: text,
  title: optional(text),
  websiteUrl: optional(text),
  icons: optional(listOf(object)),
})

export const clientCapabilities = withFields({
  elicitation: optional(withFields({ form: optional(object), url: optional(object) })),
  experimental: optional(mapOf(object)),
  extensions: optional(mapOf(object)),
  roots: optional(object),
  sampling: optional(withFields({ context: optional(object), tools: optional(object) })),
})

const filter = withFields({
  promptsListChanged: optional(flag),
  resourcesListChanged: optional(flag),
  toolsListChanged: optional(flag),
  resourceSubscriptions: optional(listOf(text)),
})

/** What a client brings when it asks again after `input_required`. */
const resumed: Fields = { inputResponses: optional(mapOf(object)), requestState: optional(text) }

const reference: Shape = (value) =>
  withFields({ type: oneOf('ref/prompt'), name: text, title: optional(text) })(value) ||
  withFields({ type: oneOf('ref/resource'), uri: text })(value)

const called: Fields = { name: text, ...resumed }

/** The parameters of every request a client may send, by method; of both protocol eras. */
export const requests: ReadonlyMap<string, Fields> = new Map<string, Fields>([
  ['tools/call', { ...called, arguments: optional(object) }],
  ['tools/list', page],
  ['resources/list', page],
  ['resources/templates/list', page],
  ['resources/read', { uri: text, ...resumed }],
  ['prompts/list', page],
  ['prompts/get', { ...called, arguments: optional(mapOf(text)) }],
  [
    'completion/complete',
    {
      ref: reference,
      argument: withFields({ name: text, value: text }),
      context: optional(withFields({ arguments: optional(mapOf(text)) })),
    },
  ],
  ['server/discover', none],
  ['subscriptions/listen', { notifications: filter }],
])

/** The parameters of requests that only revisions before 2026-07-28 know. */
export const formerRequests: ReadonlyMap<string, Fields> = new Map<string, Fields>([
  ['initialize', { protocolVersion: text, capabilities: object, clientInfo: implementation }],
  ['ping', none],
  ['logging/setLevel', { level }],
  ['resources/subscribe', { uri: text }],
  ['resources/unsubscribe', { uri: text }],
])

/** The parameters of every notification, whoever may send it. */
export const notifications: ReadonlyMap<string, Fields> = new Map<string, Fields>([
  ['notifications/cancelled', { requestId: id, reason: optional(text) }],
  ['notifications/progress', { progressToken: id, progress: number, total: optional(number), message: optional(text) }],
  ['notifications/message', { level, data: anything, logger: optional(text) }],
  ['notifications/resources/updated', { uri: text }],
  ['notifications/subscriptions/acknowledged', { notifications: filter }],
])

/** Where revisions before 2026-07-28 ask for less. */
export const formerNotifications: ReadonlyMap<string, Fields> = new Map<string, Fields>([
  ['notifications/cancelled', { requestId: optional(id), reason: optional(text) }],
])
