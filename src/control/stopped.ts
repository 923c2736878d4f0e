import type { Forbids, Halted } from '../call/halt.ts'
import type { Principal } from '../identity/principal.ts'

/** Kinds that stop everything a principal does, whatever it asks for. */
const whole: readonly string[] = ['session', 'token', 'tenant']

/** The switch that stops everything this principal does, if one is engaged. For what is no call: it names no tool and needs no right. */
export function stopped(forbids: Forbids, { tenant, session, actor, jti }: Principal): Halted | undefined {
  const query = { tenant, session, actor: actor.id, tool: '', effect: 'read', scopes: [] } as const
  const halted = forbids({ ...query, ...(jti !== undefined && { jti }) })
  return halted && whole.includes(halted.kind) ? halted : undefined
}
