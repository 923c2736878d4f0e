import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Cut, CutReason, Dials } from './dials.ts'
import { sendBare } from './early-answers.ts'

/** One request from its headers on, and what was seen of its client. */
interface Watched {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Kept apart: a request lets go of its socket when it ends. */
  readonly socket: Socket
  /** Looks at which its body was not there yet. */
  bodyLooks: number
  /** Looks in a row at which bytes waited for the client, at which it had taken none of them, and at which there were too many. */
  waitingLooks: number
  stuckLooks: number
  fullLooks: number
  takenBytes: number
}

/** Looks in a row after which an answer that is too large for its reader is given up. */
const fullLooksMax = 3

/**
 * Closes the connections of clients that send their body, or take their answer, too slowly. What comes before the headers
 * end is Node's to time. Looks at all requests under way at a fixed pace; the looks are the clock.
 */
export function slowClients(server: Server, dials: Dials, cut: Cut) {
  const open = new Set<Watched>()
  const timer = setInterval(() => {
    for (const one of open) judge(one)
  }, dials.lookEveryMs)
  timer.unref()
  server.once('close', () => clearInterval(timer))

  function judge(one: Watched): void {
    if (isOver(one)) return void open.delete(one)
    const reason = look(one, dials)
    if (reason === undefined) return
    open.delete(one)
    cut(reason)
    if (reason === 'slow_body') sendBare(one.response, 408)
    // What was just written goes out first.
    setImmediate(() => one.socket.destroy())
  }

  return {
    see(request: IncomingMessage, response: ServerResponse): void {
      const seen = { bodyLooks: 0, waitingLooks: 0, stuckLooks: 0, fullLooks: 0, takenBytes: 0 }
      const one: Watched = { request, response, socket: request.socket, ...seen }
      open.add(one)
      const forget = () => void open.delete(one)
      // An answer may end before the body has come; then the body is still waited for, and thrown away.
      response.once('close', () => (request.complete ? forget() : request.once('close', forget)))
    },
  }
}

/** Then the connection belongs to nobody, or to the next request. */
function isOver({ request, response, socket }: Watched): boolean {
  return socket.destroyed || (response.closed && request.complete)
}

function look(one: Watched, { lookEveryMs, bodyMs, readMs, answerMs, pendingBytesMax }: Dials): CutReason | undefined {
  const { request, response, socket } = one
  if (!request.complete) one.bodyLooks += 1
  const pending = response.writableLength
  const taken = socket.bytesWritten - pending
  const waits = pending > 0
  one.waitingLooks = waits ? one.waitingLooks + 1 : 0
  one.stuckLooks = waits && taken === one.takenBytes ? one.stuckLooks + 1 : 0
  one.fullLooks = pending > pendingBytesMax ? one.fullLooks + 1 : 0
  one.takenBytes = taken
  if (one.bodyLooks * lookEveryMs > bodyMs) return 'slow_body'
  const slow =
    one.stuckLooks * lookEveryMs >= readMs ||
    one.waitingLooks * lookEveryMs >= answerMs ||
    one.fullLooks >= fullLooksMax
  return slow ? 'slow_reader' : undefined
}
