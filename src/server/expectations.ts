import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { sendBare } from './early-answers.ts'

const heldBack = new WeakMap<IncomingMessage, ServerResponse>()

/**
 * A client may ask before it sends its body (RFC 9110 §10.1.1). It is answered by whoever reads the body, and so after
 * the request was judged: who is refused is never told to go on. As nobody knows whether the body of such a request still
 * comes, the connection ends with it. Any other expectation is refused.
 */
export function holdBodiesBack(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    heldBack.set(request, response)
    response.setHeader('connection', 'close')
    server.emit('request', request, response)
  })
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    unmet.add(request)
    server.emit('request', request, response)
  })
}

const unmet = new WeakSet<IncomingMessage>()

/** Answers a request that expects what nobody here does. */
export function sendUnmet(request: IncomingMessage, response: ServerResponse): boolean {
  if (!unmet.has(request)) return false
  sendBare(response, 417)
  return true
}

/** Tells the client to send its body, where it waits to be told. */
export function letBodyCome(request: IncomingMessage): void {
  heldBack.get(request)?.writeContinue()
  heldBack.delete(request)
}
