import type { Effect } from '../ports/tool.ts'
import type { Approved, Identified, Received, Validated } from './call.ts'
import type { Code } from './outcome.ts'
import { pass, refuse, type Stage, type Verdict } from './pipeline.ts'

/** What a kill switch may look at. */
export interface HaltQuery {
  readonly tenant: string
  readonly session: string
  readonly actor: string
  readonly tool: string
  readonly effect: Effect
  /** Scopes the call needs; none while its arguments are not known yet. */
  readonly scopes: readonly string[]
  readonly jti?: string
  readonly domain?: string
}

/** A switch that forbids the call. */
export interface Halted {
  readonly switchId: string
  readonly kind: string
  readonly target: string
  readonly code: Code
  readonly message: string
  readonly retryAfterMs?: number
}

/** What is forbidden now, from memory. Never waits. */
export type Forbids = (query: HaltQuery) => Halted | undefined

/** Told of each refusal by a switch, so that enforcement leaves evidence. Must not throw. */
export type Enforced = (halted: Halted, call: Received & Identified) => void

/** Asks whether someone has pulled a kill switch. Reads memory only, so an engaged switch holds from the next call on. */
export function halt(forbids: Forbids, enforced: Enforced): Stage<Received & Identified, object> {
  return (call) => {
    const halted = forbids(queryOf(call))
    // A switch that only asks for a person is obeyed where the person is asked, see `approve.ts`.
    if (!halted || halted.kind === 'approval') return pass({})
    enforced(halted, call)
    return haltedBy(halted)
  }
}

/** A tool is asked about by its own name, whatever alias it was called by. An unknown one counts as one that can change things. */
export function queryOf(call: Received & Identified & Partial<Validated>, domain?: string): HaltQuery {
  const { who, toolName, tool, checked, args } = call
  return {
    tenant: who.tenant,
    session: who.session,
    actor: who.actor.id,
    tool: tool?.definition.name ?? toolName,
    effect: tool?.effect ?? 'destructive',
    scopes: checked && args ? checked.scopes(args) : [],
    ...(who.jti !== undefined && { jti: who.jti }),
    ...(domain !== undefined && { domain }),
  }
}

/** True for a switch that stops the call: one that asks for a person's approval does not, once this call has it. */
export function stops(halted: Halted | undefined, { approval }: Approved): halted is Halted {
  return halted !== undefined && !(halted.kind === 'approval' && approval?.switchId === halted.switchId)
}

/** The refusal an engaged switch makes. */
export function haltedBy({ code, message, retryAfterMs, switchId }: Halted): Verdict<never> {
  return refuse({ code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) }, { switchId })
}
