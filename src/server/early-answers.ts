import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { always, onlySecurely } from './answer-headers.ts'
import type { Cut, CutReason } from './dials.ts'

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
}

/** Answers with a status alone, and closes the connection: what comes next on it could be anything. */
export function sendBare(response: ServerResponse, status: number): void {
  if (response.headersSent) return
  response.writeHead(status, reasons[status], { ...always, connection: 'close', 'content-length': 0 })
  response.end()
}

/** The same where there is no request to answer. */
function bareAnswer(status: number, secure: boolean): string {
  const headers = { ...always, ...(secure && onlySecurely), connection: 'close', 'content-length': 0 }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${reasons[status]}`, ...lines, '', ''].join('\r\n')
}

/**
 * The status of a request that is not looked at any further, where it has one: more headers than anybody here would see,
 * no Host where HTTP wants one (RFC 9112 §3.2), or a body that another server might end elsewhere (§6.1: a coding beside
 * `chunked`, or any in a version that had none). What else is ambiguous about a body's length, Node's parser refuses.
 */
export function earlyStatus(
  { rawHeaders, headers, httpVersion }: IncomingMessage,
  headersMax: number,
): number | undefined {
  if (rawHeaders.length > 2 * headersMax) return 431
  const coding = headers['transfer-encoding']
  const ends = coding === undefined || (httpVersion === '1.1' && coding.toLowerCase() === 'chunked')
  const named = headers.host !== undefined || httpVersion === '1.0'
  return ends && named ? undefined : 400
}

/** A client that went away is no news. */
function reasonOf(code: string): CutReason | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'slow_request'
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers'
  return code.startsWith('HPE_') ? 'malformed' : undefined
}

const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** Answers what is no HTTP, or not in time, where nothing was answered yet, and closes the connection either way. */
export function endMalformed(server: Server, secure: boolean, cut: Cut): void {
  const answering = new WeakMap<Socket, ServerResponse>()
  // What has come already is still parsed, piece by piece, and each piece is trouble again.
  const ended = new WeakSet<Socket>()
  server.prependListener('request', (request, response) => void answering.set(request.socket, response))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (ended.has(socket)) return
    ended.add(socket)
    const reason = reasonOf(error.code ?? '')
    if (reason) cut(reason)
    const response = answering.get(socket)
    const silent = response === undefined || response.writableFinished || !response.headersSent
    if (socket.writable && silent) socket.write(bareAnswer(statuses[error.code ?? ''] ?? 400, secure))
    setImmediate(() => socket.destroy())
  })
  server.on('tlsClientError', () => cut('handshake'))
}
