import { grantsKept, refuseMisspelt, withGrantsOffline } from '../../apps/grants-offline.ts'
import type { GrantClerk } from './grant.ts'

/** Writes requests and decisions into the state and evidence of a gateway that does not run; it knows them from its start on. */
export async function offlineGrants(data: string): Promise<GrantClerk> {
  return {
    list: () => grantsKept(data),
    find: async (id) => (await grantsKept(data)).find((one) => one.id === id),
    async request(ask) {
      refuseMisspelt(ask)
      return withGrantsOffline(data, (desk) => desk.request(ask))
    },
    approve: (id, decision) => withGrantsOffline(data, (desk) => desk.approve(id, decision)),
    deny: (id, decision) => withGrantsOffline(data, (desk) => desk.deny(id, decision)),
  }
}
