import type { Json } from '../ports/json.ts'
import type { Finding, Response } from './alert.ts'
import type { CompiledRule } from './compile.ts'
import type { Fields } from './event.ts'
import { limiter, type Limiter } from './limiter.ts'
import type { Action, Escalation, Mode, Reaction } from './reaction.ts'
import { recent } from './recent.ts'
import type { Lists } from './select.ts'
import { stageOf, weaker, type Stages } from './stage.ts'

/** Cooldowns and escalation counts remembered; a forgotten one errs to a repeated response, which limits still bound. */
const targetsMax = 20_000

/** What a finding leads to, after stage, limits, cooldown and `never`. */
type Reacted = Pick<Finding, 'responses' | 'skipped'>

/** Decides what is done about a finding. Its memory is part of the fold: replayed, it decides the same. */
export interface Responder {
  readonly active: Limiter['active']
  react(compiled: CompiledRule, fields: Fields, atMs: number): Reacted
  snapshot(): Json
  restore(state: Json): void
}

export interface ResponderParts {
  readonly stages: Stages
  readonly lists: Lists
}

/** A plan of one step: a reaction, or what it escalates to. */
interface Step extends Omit<Reaction, 'escalate' | 'when'> {
  readonly key: string
}

export function responder({ stages, lists }: ResponderParts): Responder {
  const limits = limiter()
  const cooling = recent<number>({ countMax: targetsMax })
  const firings = recent<readonly number[]>({ countMax: targetsMax })

  function judge(
    step: Step,
    stage: Mode,
    fields: Fields,
    atMs: number,
  ): { readonly response?: Response; readonly why?: string } {
    const mode = weaker(step.mode, stage)
    const target = textOf(fields[step.target])
    if (mode === 'off') return { why: 'switched off' }
    if (target === undefined) return { why: `the event has no ${step.target}` }
    if (isSpared(target, step.never ?? [], lists)) return { why: `never done to ${target}` }
    if (mode === 'shadow') return { response: responseOf(step, mode, target) }
    const key = `${step.key}\u001f${target}`
    if (atMs < (cooling.get(key) ?? 0)) return { why: `cooling down after the last one` }
    cooling.put(key, atMs + (step.cooldown ?? 0))
    if (mode === 'ask') return { response: responseOf(step, mode, target) }
    return enforced(step, target, fields, atMs)
  }

  /** At the cap nothing is enforced unasked any more, and a person is told. */
  function enforced(
    step: Step,
    target: string,
    fields: Fields,
    atMs: number,
  ): { readonly response: Response; readonly why?: string } {
    const tenant = textOf(fields['tenant.id']) ?? ''
    const why = limits.refusal(step.key, step.limits, tenant, target, atMs)
    if (why !== undefined) return { response: responseOf(step, 'ask', target), why }
    limits.spend(step.key, { tenant, target, atMs, untilMs: atMs + ttlOf(step) })
    return { response: responseOf(step, 'enforce', target) }
  }

  /** The second step joins once the first was needed `after` times within the period. */
  function escalated(key: string, { after, within }: Escalation, target: string, atMs: number): boolean {
    const id = `${key}\u001f${target}`
    const times = [...(firings.get(id) ?? []).filter((time) => atMs - time <= within).slice(-99), atMs]
    firings.put(id, times)
    return times.length >= after
  }

  function stepsOf({ rule, reacts }: CompiledRule, fields: Fields, atMs: number): readonly Step[] {
    return rule.response.flatMap((reaction, index): readonly Step[] => {
      if (!reacts[index]!((field) => fields[field])) return []
      const { escalate, ...first } = reaction
      const key = `${rule.id}\u001f${index}\u001f${reaction.action}`
      const target = textOf(fields[reaction.target])
      if (!escalate || target === undefined || !escalated(key, escalate, target, atMs)) return [{ ...first, key }]
      return [
        { ...first, key },
        { ...secondStep(reaction, escalate), key: `${key}\u001f${escalate.to}` },
      ]
    })
  }

  return {
    active: limits.active,
    react(compiled, fields, atMs) {
      const stage = stageOf(stages, compiled.rule.name)
      const responses: Response[] = []
      const skipped: { action: string; why: string }[] = []
      for (const step of stepsOf(compiled, fields, atMs)) {
        const { response, why } = judge(step, stage, fields, atMs)
        if (response) responses.push(response)
        if (why !== undefined) skipped.push({ action: step.action, why })
      }
      return { responses, skipped }
    },
    snapshot: () => ({
      limits: limits.snapshot(),
      cooling: [...cooling.entries()],
      firings: [...firings.entries()] as unknown as Json,
    }),
    restore(state) {
      const packed = state as unknown as {
        readonly limits: Json
        readonly cooling: readonly [string, number][]
        readonly firings: readonly [string, number[]][]
      }
      limits.restore(packed.limits)
      cooling.clear()
      firings.clear()
      for (const [key, untilMs] of packed.cooling) cooling.put(key, untilMs)
      for (const [key, times] of packed.firings) firings.put(key, times)
    },
  }
}

/** An hour, where the rule states none: nothing lasts for ever. */
const ttlOf = ({ ttl }: { readonly ttl?: number }) => ttl ?? 3_600_000

function secondStep(
  { target, never, limits, scope }: Reaction,
  { to, mode, ttl, approver, approve_within, on_timeout }: Escalation,
): Omit<Step, 'key'> {
  return {
    action: to,
    target,
    mode,
    ...(scope && { scope }),
    ...(never && { never }),
    ...(limits && { limits }),
    ...(ttl !== undefined && { ttl }),
    ...(approver !== undefined && { approver }),
    ...(approve_within !== undefined && { approve_within }),
    ...(on_timeout && { on_timeout }),
  }
}

function responseOf(step: Step, mode: Response['mode'], targetValue: string): Response {
  const { action, target, scope, approver, approve_within, on_timeout, set } = step
  return {
    action: action satisfies Action,
    target,
    targetValue,
    mode,
    ttlMs: ttlOf(step),
    ...(scope && { scope }),
    ...(approver !== undefined && { approver }),
    ...(approve_within !== undefined && { approveWithinMs: approve_within }),
    ...(on_timeout && { onTimeout: on_timeout }),
    ...(set && { set }),
  }
}

/** True for a value on one of the `never` lists, compared without case. */
function isSpared(target: string, never: readonly string[], lists: Lists): boolean {
  const spared = never.flatMap((entry) => {
    const name = /^%([a-z_]+)%$/.exec(entry)?.[1]
    return name === undefined ? [entry] : (lists[name] ?? [])
  })
  return spared.some((value) => value.toLowerCase() === target.toLowerCase())
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
