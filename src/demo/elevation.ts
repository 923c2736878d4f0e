import { setTimeout as wait } from 'node:timers/promises'
import type { Gateway } from '../apps/gateway.ts'

/** What people do at the desk before a scene: grant its agent a right for a moment, or let that moment pass. */
export type AtTheDesk = 'approve' | 'wait until it is over'

/** Long enough for one call, short enough to watch it end. */
const ttlSeconds = 2

/** For whom, and what: the one right that the demo hands out. */
export const elevated = { principal: 'agent:hotfix', tenant: 'acme', scope: 'flags.write:prod' } as const

/** Two people at the desk: one asks, another approves. The one who asked is refused first. Says what went wrong. */
export async function atTheDesk(step: AtTheDesk, { grants }: Gateway): Promise<string | undefined> {
  const { principal, tenant, scope } = elevated
  if (step === 'wait until it is over') return over(() => grants.elevated(tenant, principal).length === 0)
  const ask = { principal, tenant, scopes: [scope], reason: 'hotfix-1234', requestedBy: 'user:ana', ttlSeconds }
  const { id } = await grants.request(ask)
  const own = await grants.approve(id, { by: 'user:ana' }).then(
    () => 'whoever asked could approve it herself',
    () => undefined,
  )
  if (own === undefined) await grants.approve(id, { by: 'user:ben' })
  return own
}

async function over(isOver: () => boolean): Promise<string | undefined> {
  for (let looks = 0; looks < 10 * ttlSeconds * 2 && !isOver(); looks++) await wait(100)
  return isOver() ? undefined : 'the elevation did not end'
}
