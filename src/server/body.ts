import type { IncomingMessage, ServerResponse } from 'node:http'
import { always } from './answer-headers.ts'
import { letBodyCome } from './expectations.ts'
import { gathering } from './gathered.ts'

/** Reads a body of at most `sizeBytesMax`; undefined when it is larger. What comes after the limit is not kept. */
export async function readBody(request: IncomingMessage, sizeBytesMax: number): Promise<Uint8Array | undefined> {
  letBodyCome(request)
  const held = gathering(sizeBytesMax)
  for await (const chunk of request as AsyncIterable<Buffer>) if (!held.add(chunk)) return undefined
  return held.take()
}

/** Answers with one JSON document. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, {
    ...always,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  })
  response.end(text)
}

/** A JSON-RPC error as a whole answer, for what is refused before the protocol layer sees it. */
export function sendRpcError(
  response: ServerResponse,
  status: number,
  error: { readonly code: number; readonly message: string; readonly data?: unknown },
  id: unknown = null,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJson(response, status, { jsonrpc: '2.0', id, error }, headers)
}

/** The value of `Retry-After`: whole seconds, at least one. */
export const retryAfter = (waitMs: number): string => String(Math.max(1, Math.ceil(waitMs / 1000)))
