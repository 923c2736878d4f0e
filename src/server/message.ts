import { isJsonObject, type Json } from '../ports/json.ts'

/** Reads of a JSON-RPC message before the protocol layer has judged it. Nothing here throws, whatever the message is. */

const field = (value: Json | undefined, name: string): Json | undefined =>
  isJsonObject(value) ? value[name] : undefined

const textField = (value: Json | undefined, name: string): string | undefined => {
  const text = field(value, name)
  return typeof text === 'string' ? text : undefined
}

/** The method, or `_OTHER` where there is none. */
export const methodOf = (message: Json): string => textField(message, 'method') ?? '_OTHER'

export const isInitialize = (message: Json): boolean => methodOf(message) === 'initialize'

/** The id to answer under; null for a notification or an id of the wrong type. */
export function idOf(message: Json): Json {
  const id = field(message, 'id')
  return typeof id === 'string' || Number.isSafeInteger(id) ? (id as string | number) : null
}

export const paramsOf = (message: Json): Json | undefined => field(message, 'params')

/** Where a stateless request says which revision it speaks. */
export const versionKey = 'io.modelcontextprotocol/protocolVersion'

/** The revision a stateless request names in `_meta`; requests of the 2025 revisions name none. */
export function modernVersionOf(message: Json): string | undefined {
  return textField(field(paramsOf(message), '_meta'), versionKey)?.slice(0, 32)
}

/** The revision, or the last one that opened with `initialize`. */
export const versionOf = (message: Json): string => modernVersionOf(message) ?? '2025-11-25'
