import { GrantRefused, type Decision, type GrantRequest } from '../../control/request.ts'
import type { AdminReply, AskAdmin } from './admin-client.ts'
import type { GrantClerk } from './grant.ts'

const collection = '/api/v1/grants'

/** Passes requests and decisions to the gateway that runs. Refuses, in its sentence, what the gateway refuses. */
export function gatewayGrants(ask: AskAdmin): GrantClerk {
  const one = (id: string, step = '') => `${collection}/${encodeURIComponent(id)}${step}`
  const send = async (path: string, body: object) => granted(await ask('POST', path, body)) as unknown as GrantRequest
  return {
    list: async () => granted(await ask('GET', collection))['grants'] as readonly GrantRequest[],
    async find(id) {
      const reply = await ask('GET', one(id))
      return reply?.status === 404 ? undefined : (granted(reply) as unknown as GrantRequest)
    },
    request: (wanted) => send(collection, wanted),
    approve: (id, decision) => send(one(id, '/approve'), saidOf(decision)),
    deny: (id, decision) => send(one(id, '/deny'), saidOf(decision)),
  }
}

function saidOf({ by, note, ttlMs }: Decision): object {
  return {
    approver: by,
    ...(note !== undefined && { reason: note }),
    ...(ttlMs !== undefined && { ttlSeconds: ttlMs / 1000 }),
  }
}

const refusals: Readonly<Record<number, GrantRefused['kind']>> = {
  400: 'refused',
  404: 'unknown',
  409: 'refused',
  429: 'full',
}

function granted(reply: AdminReply | undefined): AdminReply['body'] {
  if (!reply) throw new Error('The gateway went away; start it again and repeat this.')
  const { status, body } = reply
  if (status < 300) return body
  const { message = `The gateway answered ${status}.` } = (body['error'] ?? {}) as { readonly message?: string }
  const kind = refusals[status]
  throw kind === undefined ? new Error(message) : new GrantRefused(kind, message)
}
