import type { OrderRequest } from '../../control/order.ts'
import type { AdminReply, AskAdmin } from './admin-client.ts'
import type { OrderDesk, Shown } from './switch.ts'

const collection = '/api/v1/switches'

/** Gives orders to the gateway that runs. Refuses, in a sentence, what the gateway refuses. */
export function gatewaySwitches(ask: AskAdmin): OrderDesk {
  return {
    list: async () => (granted(await ask('GET', collection))['switches'] ?? []) as readonly Shown[],
    engage: async (wanted: OrderRequest) => granted(await ask('POST', collection, wanted)) as unknown as Shown,
    async release(id, reason) {
      const reply = await ask('DELETE', `${collection}/${encodeURIComponent(id)}`, { reason })
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
