import type { OrderRequest } from '../../control/order.ts'
import { adminAt, type AdminReply } from './admin-client.ts'
import type { OrderDesk, Shown } from './switch.ts'

export interface GatewayDeskOptions {
  /** Admin listener, e.g. `http://127.0.0.1:8788`. */
  readonly url: string
  readonly tokenFile: string
  /** What to do when nothing listens there. */
  readonly away?: () => Promise<OrderDesk>
}

/** Gives orders to the gateway that runs. Refuses, in a sentence, what the gateway refuses. */
export async function gatewaySwitches({ url, tokenFile, away }: GatewayDeskOptions): Promise<OrderDesk> {
  const ask = await adminAt(url, tokenFile)
  const listed = await ask('GET', '/api/v1/switches')
  if (listed === undefined) {
    if (away) return away()
    throw new Error(`No gateway answers at ${url}; start it, or leave --admin out to write to its command log.`)
  }
  const first = granted(listed)
  return {
    list: async () => (first['switches'] ?? []) as readonly Shown[],
    engage: async (request: OrderRequest) =>
      granted(await ask('POST', '/api/v1/switches', request)) as unknown as Shown,
    async release(id, reason) {
      const reply = await ask('DELETE', `/api/v1/switches/${encodeURIComponent(id)}`, { reason })
      if (reply?.status === 404) return false
      granted(reply)
      return true
    },
  }
}

function granted(reply: AdminReply | undefined): AdminReply['body'] {
  if (!reply) throw new Error('The gateway went away; start it again and repeat this.')
  const { status, body } = reply
  if (status < 300) return body
  const { message = `The gateway answered ${status}.` } = (body['error'] ?? {}) as { readonly message?: string }
  throw new Error(message)
}
