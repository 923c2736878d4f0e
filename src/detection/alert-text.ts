import { createHash } from 'node:crypto'
import type { Json } from '../ports/json.ts'
import type { Alert } from './alert.ts'
import type { CompiledRule } from './compile.ts'
import type { Fields, Origin } from './event.ts'

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
export function alertFor({ rule, severity }: CompiledRule, { fields, atMs, origins, why }: Firing, ruleSetDigest: string): Alert {
  const lookup = (field: string) => fields[field]
  const entity = entityOf(rule.suppress?.by ?? [], fields)
  const tenant = text(fields['tenant.id'])
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
    actor: text(fields['actor.id']) || text(fields['grant.subject']),
    session: text(fields['session.id']),
    trace: text(fields['trace.id']),
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
  const named = by.filter((field) => field !== 'tenant.id').map((field) => text(fields[field]))
  return named.some((value) => value !== '') ? named.join('|') : text(fields['session.id']) || text(fields['actor.id'])
}

function summaryOf(title: string, fields: Fields): string {
  const who = text(fields['actor.id']) || text(fields['grant.subject']) || 'someone'
  const what = text(fields['grant.scope']) || text(fields['egress.registrable_domain']) || text(fields['tool.name'])
  const line = `${title}: ${who}${what === '' ? '' : `, ${what}`}`.replace(/[^\x20-\x7e]/g, '?')
  return line.length <= summaryMax ? line : `${line.slice(0, summaryMax - 3)}...`
}

function toolsOf(fields: Fields): readonly string[] {
  const chain = fields['chain.tools']
  if (Array.isArray(chain)) return chain.map(String)
  const tool = text(fields['tool.name'])
  return tool === '' ? [] : [tool]
}

const text = (value: Json | undefined) => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '')

const hash = (what: string) => createHash('sha256').update(what).digest('hex').slice(0, 32)
