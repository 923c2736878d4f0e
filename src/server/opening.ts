import { isJsonObject, type Json } from '../ports/json.ts'
import { take } from './admission.ts'
import { handOver, type Arrived, type Endpoint } from './hand-over.ts'
import { paramsOf } from './message.ts'
import { clientOf } from './meta.ts'
import { idleMsMax } from './sessions.ts'
import { sendTooMany, turnAway } from './turn-away.ts'

/**
 * A handshake changes nothing, so it comes first, on a session that has no place yet; then the token is taken for that
 * session, and only then it gets its place. So a handshake that failed uses up no token, and a token that is refused
 * takes nobody's place. Of handshakes with one token at one time, one keeps its session.
 */
export async function answerOpening(endpoint: Endpoint, arrived: Arrived): Promise<void> {
  const { who, body, request, response } = arrived
  const session = await endpoint.sessions.prepare(who, clientIn(body), endpoint.build())
  if (!session) return sendTooManySessions(arrived)
  const handed = await handOver(endpoint, arrived, session)
  if (!handed.answer.ok) {
    await session.transport.close()
    return handed.deliver()
  }
  const identity = await take(endpoint, arrived, session)
  if (identity.ok && endpoint.sessions.keep(session)) return handed.deliver()
  await handed.answer.body?.cancel()
  await session.transport.close()
  return identity.ok ? sendTooManySessions(arrived) : turnAway(endpoint, request, response, identity, body)
}

function sendTooManySessions({ response }: Arrived): void {
  sendTooMany(response, 'Too many open sessions. End one with DELETE, or wait.', idleMsMax)
}

function clientIn(body: Json): string | undefined {
  const params = paramsOf(body)
  return clientOf(isJsonObject(params) ? params['clientInfo'] : undefined)
}
