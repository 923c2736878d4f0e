import { createHash } from 'node:crypto'
import type { Alert } from './alert.ts'
import type { CompiledRule } from './compile.ts'
import { textOf, type Fields, type Origin } from './event.ts'

/** A rule came true. */
export interface Firing {
  readonly fields: Fields
  readonly atMs: number
  /** The events that made it true, oldest first. */
  readonly origins: readonly Origin[]
  /** Numbers against their baseline, one sentence. */
  readonly why: string
}

/** Longest summary, characters. */
const summaryMax = 120

/** The alert of a firing. Its id and dedupe key follow from the rule and the evidence alone. */
export function alertFor(
  { rule, severity }: CompiledRule,
  { fields, atMs, origins, why }: Firing,
  ruleSetDigest: string,
): Alert {
  const lookup = (field: string) => fields[field]
  const entity = entityOf(rule.suppress?.by ?? [], fields)
  const tenant = textOf(fields['tenant.id'])
  return {
    id: hash(`${rule.id}@${rule.version}|${tenant}|${entity}|${atMs}|${origins[0]?.leaf ?? ''}`),
    dedupeKey: hash(`${rule.name}|${tenant}|${entity}`),
    rule: rule.name,
    ruleId: rule.id,
    ruleVersion: rule.version,
    ruleSetDigest,
    title: rule.title,
    severity: severity(lookup),
    tenant,
    actor: textOf(fields['actor.id']) || textOf(fields['grant.subject']),
    session: textOf(fields['session.id']),
    trace: textOf(fields['trace.id']),
    tools: toolsOf(fields),
    summary: summaryOf(rule.title, fields),
    why,
    ...(rule.runbook !== undefined && { runbook: rule.runbook }),
    tags: rule.tags,
    evidence: origins.map(({ stream, seq, leaf }) => ({ stream, seq, leaf })),
    atMs,
  }
}

/** What the incident is about: the fields the rule suppresses by, else the session, else the actor. */
function entityOf(by: readonly string[], fields: Fields): string {
  const named = by.filter((field) => field !== 'tenant.id').map((field) => textOf(fields[field]))
  return named.some((value) => value !== '')
    ? named.join('|')
    : textOf(fields['session.id']) || textOf(fields['actor.id'])
}

function summaryOf(title: string, fields: Fields): string {
  const who = textOf(fields['actor.id']) || textOf(fields['grant.subject']) || 'someone'
  const what =
    textOf(fields['grant.scope']) || textOf(fields['egress.registrable_domain']) || textOf(fields['tool.name'])
  const line = `${title}: ${who}${what === '' ? '' : `, ${what}`}`.replace(/[^\x20-\x7e]/g, '?')
  return line.length <= summaryMax ? line : `${line.slice(0, summaryMax - 3)}...`
}

function toolsOf(fields: Fields): readonly string[] {
  const chain = fields['chain.tools']
  if (Array.isArray(chain)) return chain.map(String)
  const tool = textOf(fields['tool.name'])
  return tool === '' ? [] : [tool]
}

const hash = (what: string) => createHash('sha256').update(what).digest('hex').slice(0, 32)
