import { GrantRefused, type Decision, type GrantRequest } from '../../control/request.ts'
import { adminAt, type AdminReply } from './admin-client.ts'
import type { GrantClerk } from './grant.ts'

export interface GatewayClerkOptions {
  /** Admin listener, e.g. `http://127.0.0.1:8788`. */
  readonly url: string
  readonly tokenFile: string
  /** What to do when nothing listens there. */
  readonly away?: () => Promise<GrantClerk>
}

const collection = '/api/v1/grants'

/** Passes requests and decisions to the gateway that runs. Refuses, in its sentence, what the gateway refuses. */
export async function gatewayGrants({ url, tokenFile, away }: GatewayClerkOptions): Promise<GrantClerk> {
  const ask = await adminAt(url, tokenFile)
  const listed = await ask('GET', collection)
  if (listed === undefined) {
    if (away) return away()
    throw new Error(`No gateway answers at ${url}; start it, or leave --admin out to write to its data directory.`)
  }
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
