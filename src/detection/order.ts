import { createHash } from 'node:crypto'
import type { Engage, SwitchKind } from '../control/command.ts'
import type { Alert, Response } from './alert.ts'
import type { Action } from './reaction.ts'

/** Which switch carries out which action. */
export const switchFor: Readonly<Record<Action, SwitchKind>> = {
  kill_session: 'session',
  pause_session: 'session',
  quarantine_tool: 'tool',
  block_egress_domain: 'egress',
  read_only: 'read-only',
  lower_rate: 'limits',
  pause_consumer: 'consumer',
  revoke_token: 'token',
  revoke_grant: 'grant',
  require_approval: 'approval',
  freeze_catalog: 'catalog',
}

/** The order for a response in mode `enforce`, for the command log to number and sign. The same response gives the same id. */
export function commandFor(response: Response, alert: Alert): Omit<Engage, 'seq'> {
  return {
    action: 'engage',
    id: createHash('sha256')
      .update(`${alert.id}|${response.action}|${response.targetValue}`)
      .digest('hex')
      .slice(0, 26),
    kind: switchFor[response.action as Action],
    target: response.targetValue,
    ...(alert.tenant !== '' && { tenant: alert.tenant }),
    reason: alert.summary,
    ttlMs: response.ttlMs,
    atMs: alert.atMs,
    issuedBy: { kind: 'detector', rule: alert.rule, version: alert.ruleVersion, digest: alert.ruleSetDigest },
    alert: alert.id,
    ...(response.set && { set: response.set }),
  }
}
