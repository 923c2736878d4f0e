import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Json } from '../ports/json.ts'
import { readBody, sendRpcError } from './body.ts'
import { valuesOf } from './host-guard.ts'
import { idOf } from './message.ts'
import { eraOf, messageProblem } from './message-rules.ts'
import { messageLimits, parseStrict } from './strict-json.ts'

/** The one message in the body of a POST; undefined when it was refused and answered. */
export async function messageIn(request: IncomingMessage, response: ServerResponse): Promise<Json | undefined> {
  const refuse = (status: number, code: number, message: string): undefined => {
    sendRpcError(response, status, { code, message })
  }
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    return refuse(415, -32600, 'Send application/json.')
  const bytes = await readBody(request, messageLimits.sizeBytesMax)
  if (bytes === undefined) return sendTooLarge(response)
  const parsed = parseStrict(bytes)
  if (!parsed.ok) return refuse(400, -32700, `Parse error: ${parsed.why}`)
  const problem = messageProblem(parsed.value, eraOf(parsed.value, valuesOf(request, 'mcp-protocol-version')[0]))
  if (!problem) return parsed.value
  sendRpcError(response, 400, problem, idOf(parsed.value))
  return undefined
}

function sendTooLarge(response: ServerResponse): undefined {
  const denied = { code: 'invalid_arguments', message: 'A message may have at most 1 MiB.' }
  const error = { code: 413001, message: `DENY ${denied.code}: ${denied.message}`, data: { denied } }
  sendRpcError(response, 413, error, null, { connection: 'close' })
}
