import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'
import { isInitialize, versionKey } from './message.ts'
import {
  clientCapabilities,
  formerNotifications,
  formerRequests,
  id,
  implementation,
  level,
  notifications,
  object,
  optional,
  requests,
  text,
  wrongField,
  type Fields,
} from './message-shapes.ts'

/** The stateless revisions from 2026-07-28 on, or those that open with `initialize`. */
export type Era = 'modern' | 'legacy'

/** Why a message is refused: its frame is no JSON-RPC message, or its parameters are not those of its method. */
export interface MessageProblem {
  readonly code: -32600 | -32602
  readonly message: string
}

/**
 * Judges one JSON value as an MCP message of an era: its frame (JSON-RPC 2.0), the envelope that 2026-07-28 asks for, and
 * the parameters its method is specified with. Nothing when it is one. Fields nobody specified are let be; whether a
 * method is offered is not asked here.
 */
export function messageProblem(message: Json, era: Era): MessageProblem | undefined {
  if (Array.isArray(message)) return invalid('Batches are not served. Send one message at a time')
  if (!isJsonObject(message)) return invalid('A message is an object')
  if (message['jsonrpc'] !== '2.0') return invalid('`jsonrpc` must be "2.0"')
  if (has(message, 'id') && !id(message['id'])) return invalid('`id` must be text or a whole number')
  if (!has(message, 'method')) return responseProblem(message, era)
  if (has(message, 'result') || has(message, 'error')) return invalid('A message is a request or a response, not both')
  if (typeof message['method'] !== 'string') return invalid('`method` must be text')
  const params = has(message, 'params') ? message['params'] : undefined
  if (params !== undefined && !isJsonObject(params)) return invalid('`params` must be an object')
  return has(message, 'id')
    ? requestProblem(message['method'], params, era)
    : notificationProblem(message['method'], params, era)
}

/** The era a message is judged in: what its `_meta` claims, else what came with it. The handshake is always the former one's. */
export function eraOf(message: Json, versionHeader: string | undefined): Era {
  if (claimsModern(message)) return 'modern'
  return !isInitialize(message) && isModern(versionHeader?.trim()) ? 'modern' : 'legacy'
}

/** True when `_meta` names a revision, whatever it says there. Earlier revisions know no such name. */
function claimsModern(message: Json): boolean {
  const params = isJsonObject(message) ? message['params'] : undefined
  const meta = params !== undefined && isJsonObject(params) ? params['_meta'] : undefined
  return meta !== undefined && isJsonObject(meta) && Object.hasOwn(meta, versionKey)
}

function requestProblem(method: string, params: JsonObject | undefined, era: Era): MessageProblem | undefined {
  const meta = params && has(params, '_meta') ? params['_meta'] : undefined
  const wrong = era === 'modern' ? envelopeProblem(meta) : metaProblem(meta, requestMeta)
  const known = requests.get(method) ?? (era === 'legacy' ? formerRequests.get(method) : undefined)
  return wrong ?? paramsProblem(known, params)
}

function notificationProblem(method: string, params: JsonObject | undefined, era: Era): MessageProblem | undefined {
  const meta = params && has(params, '_meta') ? params['_meta'] : undefined
  const wrong = metaProblem(meta, notificationMeta)
  const former = era === 'legacy' ? formerNotifications.get(method) : undefined
  return wrong ?? paramsProblem(former ?? notifications.get(method), params)
}

function responseProblem(message: JsonObject, era: Era): MessageProblem | undefined {
  if (has(message, 'result') === has(message, 'error')) return invalid('A message needs `method`, `result` or `error`')
  if (has(message, 'error')) {
    const fields: Fields = { code: Number.isSafeInteger, message: text }
    const error = message['error']
    return error !== undefined && isJsonObject(error) && wrongField(fields, error) === undefined
      ? undefined
      : invalid('`error` must hold a code and a message')
  }
  const result = message['result']
  if (!has(message, 'id')) return invalid('A result needs the `id` of its request')
  if (result === undefined || !isJsonObject(result)) return invalid('`result` must be an object')
  const fields: Fields = { _meta: optional(object), ...(era === 'modern' && { resultType: text }) }
  const wrong = wrongField(fields, result)
  return wrong === undefined ? undefined : invalid(`\`result.${wrong}\` is missing or malformed`)
}

const envelope: Fields = {
  [versionKey]: text,
  'io.modelcontextprotocol/clientCapabilities': clientCapabilities,
  'io.modelcontextprotocol/clientInfo': optional(implementation),
  'io.modelcontextprotocol/logLevel': optional(level),
  progressToken: optional(id),
}

const requestMeta: Fields = { progressToken: optional(id) }
const notificationMeta: Fields = { 'io.modelcontextprotocol/subscriptionId': optional(id) }

function envelopeProblem(meta: Json | undefined): MessageProblem | undefined {
  return meta === undefined ? unfit('_meta') : metaProblem(meta, envelope)
}

function metaProblem(meta: Json | undefined, fields: Fields): MessageProblem | undefined {
  if (meta === undefined) return undefined
  if (!isJsonObject(meta)) return unfit('_meta')
  const wrong = wrongField(fields, meta)
  return wrong === undefined ? undefined : unfit(`_meta.${wrong}`)
}

function paramsProblem(fields: Fields | undefined, params: JsonObject | undefined): MessageProblem | undefined {
  const wrong = fields && wrongField(fields, params ?? {})
  return wrong === undefined ? undefined : unfit(wrong)
}

/** Revisions are dates. */
const isModern = (version: string | undefined): boolean =>
  version !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(version) && version >= '2026-07-28'

const has = (value: JsonObject, name: string): boolean => Object.hasOwn(value, name)

function invalid(why: string): MessageProblem {
  return { code: -32600, message: `Invalid request: ${why}.` }
}

function unfit(field: string): MessageProblem {
  return { code: -32602, message: `Invalid params: \`params.${field}\` is missing or malformed.` }
}
