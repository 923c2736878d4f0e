import type { Identified, Limited, PlanClaim, Received } from './call.ts'
import type { Denied } from './outcome.ts'
import { pass, type Stage } from './pipeline.ts'

/** What a limit may look at. */
export interface Effort {
  readonly tenant: string
  readonly principal: string
  /** On whose behalf the principal acts, where a token says so: its ceilings hold as well. */
  readonly onBehalfOf?: string
  readonly session: string
  readonly tool: string
  readonly costMicroUsd: number
  /** Tells equal calls apart from different ones. */
  readonly argsKey: string
  readonly plan: PlanClaim
  /** The tool is declared a poller. */
  readonly polling?: boolean
  readonly atMs: number
}

export type Entry =
  | { readonly ok: true; readonly limits: Limited['limits']; readonly release: Limited['release'] }
  | { readonly ok: false; readonly denied: Denied; readonly limits: Limited['limits'] }

/** Rate, concurrency, budget and stop rules. `enter` takes a place that `release` gives back. */
export interface Limiter {
  enter(effort: Effort): Promise<Entry> | Entry
}

/** Asks whether the caller may make one more call now. What it takes is given back when the call ends, however it ends. */
export function limit(limiter: Limiter, argsKey: (call: Received) => string): Stage<Received & Identified, Limited> {
  return async (call) => {
    const entry = await limiter.enter({
      tenant: call.who.tenant,
      principal: call.who.actor.id,
      ...(call.who.actor.onBehalfOf !== undefined && { onBehalfOf: call.who.actor.onBehalfOf }),
      session: call.who.session,
      tool: call.tool?.definition.name ?? '_OTHER',
      costMicroUsd: Math.round((call.tool?.costUsd ?? 0) * 1e6),
      argsKey: argsKey(call),
      plan: call.plan,
      ...(call.tool?.polling === true && { polling: true }),
      atMs: call.atMs,
    })
    return entry.ok
      ? pass({ limits: entry.limits, release: entry.release })
      : { kind: 'refuse', refusal: { denied: entry.denied }, learned: { limits: entry.limits } }
  }
}
