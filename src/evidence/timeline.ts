import type { Query } from './manifest.ts'
import type { EvidenceRecord } from './record.ts'

/** What a person needs to know of one record, in words. */
export interface Moment {
  readonly atMs: number
  /** `intent` is a call that was let through and has not ended yet. */
  readonly kind: 'intent' | 'allowed' | 'denied' | 'failed' | 'alert' | 'switch' | 'grant' | 'system'
  /** Who: an actor, a rule, an operator. */
  readonly who: string
  /** One sentence in plain words. */
  readonly what: string
  /** Rules, reasons, counts: short facts, each standing alone. */
  readonly why: readonly string[]
  readonly trace?: string
  readonly stream: string
  readonly seq: number
}

/** A timeline and what stands above it. */
export interface Story {
  readonly query: Query
  readonly requester: string
  readonly ticket?: string
  readonly createdMs: number
  readonly moments: readonly Moment[]
}

/** The moments of a story in the order in which they happened. Records that only keep the log going are left out. */
export function momentsOf(records: readonly EvidenceRecord[]): readonly Moment[] {
  const inOrder = records.toSorted((a, b) => a.tsMs - b.tsMs || compare(a.stream, b.stream) || a.seq - b.seq)
  return inOrder.flatMap((record) => momentOf(record) ?? [])
}

function momentOf(record: EvidenceRecord): Moment | undefined {
  const told = tell(record)
  if (told === undefined) return undefined
  const { tsMs: atMs, stream, seq, traceId } = record
  return { atMs, stream, seq, ...told, ...(traceId !== undefined && { trace: traceId }) }
}

type Told = Pick<Moment, 'kind' | 'who' | 'what' | 'why'>

function tell(record: EvidenceRecord): Told | undefined {
  const { type } = record
  if (type === 'call.intent' || type === 'call.decision' || type === 'call.outcome') return tellCall(record)
  if (type === 'alert') return tellAlert(record)
  if (type === 'kill.apply' || type === 'kill.release' || type === 'switch.enforced') return tellSwitch(record)
  return tellOther(record)
}

function tellCall(record: EvidenceRecord): Told {
  const { type, decision, result } = record
  const tool = record.tool?.name ?? 'a tool'
  const why = [
    ...(decision?.rules.length ? [`rules: ${decision.rules.join(', ')}`] : []),
    ...(decision?.reasonCode === undefined ? [] : [`reason: ${decision.reasonCode}`]),
    ...(decision?.shadowEffect === undefined ? [] : [`in shadow: ${decision.shadowEffect}`]),
    ...callFacts(record),
  ]
  const who = actorOf(record)
  if (type === 'call.intent') return { kind: 'intent', who, what: `is about to call ${tool}`, why }
  if (decision?.effect === 'deny') return { kind: 'denied', who, what: `was refused ${tool}`, why }
  const status = result?.status ?? 'ok'
  if (status !== 'ok')
    return { kind: 'failed', who, what: `called ${tool}, which ended in ${result?.errCode ?? status}`, why }
  return { kind: 'allowed', who, what: `called ${tool}`, why }
}

function callFacts({ dlp, result, egress, idem, grants, ext, agentPlan }: EvidenceRecord): readonly string[] {
  const kinds = Object.entries(dlp?.kinds ?? {}).map(([kind, count]) => `${count} ${kind}`)
  return [
    ...(dlp === undefined || dlp.piiCount === 0 ? [] : [`personal data: ${dlp.piiCount} (${kinds.join(', ')})`]),
    ...(result?.rows === undefined ? [] : [`${result.rows} rows`]),
    ...(egress === undefined
      ? []
      : [`to ${egress.domain}${egress.sizeBytes === undefined ? '' : `, ${egress.sizeBytes} bytes`}`]),
    ...(ext?.['taint'] === undefined ? [] : ['an argument came from untrusted output']),
    ...(idem?.replayOf === undefined ? [] : ['answered from an earlier call']),
    ...(agentPlan?.step === undefined ? [] : [`plan step ${agentPlan.step}`]),
    ...(grants?.some(({ jit }) => jit === true) ? ['under a just-in-time grant'] : []),
  ]
}

function tellAlert({ ext }: EvidenceRecord): Told {
  const text = textOf(ext)
  return {
    kind: 'alert',
    who: `rule ${text('rule')}`,
    what: `raised a ${text('severity')} alert: ${text('title')}`,
    why: [text('summary'), text('why')].filter((fact) => fact !== ''),
  }
}

function tellSwitch({ type, ext, actor }: EvidenceRecord): Told {
  const text = textOf(ext)
  const target = `${text('kind')} ${text('target')}`.trim()
  if (type === 'switch.enforced')
    return {
      kind: 'switch',
      who: actor?.id ?? 'the gateway',
      what: `met the switch on ${target}`,
      why: [`refused with ${text('code')}`],
    }
  const reason = text('reason')
  const why = reason === '' ? [] : [`reason: ${reason}`]
  const what = type === 'kill.apply' ? `pulled the switch on ${target}` : `released switch ${text('id')}`
  return { kind: 'switch', who: issuerOf(ext?.['issuedBy']), what, why }
}

const others: Readonly<Partial<Record<EvidenceRecord['type'], string>>> = {
  'stream.genesis': 'A gateway process began its log',
  'stream.resume': 'The log was resumed after a process ended',
  'stream.gap': 'The log moved to a new file after a disk error',
  'stream.close': 'A gateway process closed its log',
  'policy.load': 'A policy was loaded',
  'catalog.load': 'A tool catalog was loaded',
  'config.load': 'A configuration was loaded',
  'certificate.load': 'A certificate was put to use',
  'certificate.refused': 'A new certificate was refused and the old one kept',
  'certificate.due': 'A certificate was due for renewal',
  'config.refused': 'A changed configuration was refused and the old one kept',
  export: 'Evidence was exported',
}

const grantSteps: Readonly<Partial<Record<EvidenceRecord['type'], string>>> = {
  'grant.request': 'asked in request',
  'grant.approve': 'approved request',
  'grant.deny': 'denied request',
  'grant.spend': 'used up the approval of request',
  'grant.expire': 'saw the end of request',
}

function tellOther(record: EvidenceRecord): Told | undefined {
  const { type, ext, grants = [] } = record
  if (type === 'call.unknown')
    return {
      kind: 'failed',
      who: actorOf(record),
      what: `called ${record.tool?.name}; nobody knows whether it took effect`,
      why: [],
    }
  if (type === 'grant.issue')
    return {
      kind: 'grant',
      who: actorOf(record),
      what: `was seen with ${grants.map(({ scope }) => scope).join(', ')} for the first time`,
      why: [],
    }
  const step = grantSteps[type]
  if (step !== undefined) {
    const { grantId, subject, reason } = { ...(ext as Readonly<Record<string, string>>) }
    const aim = record.tool ? `one call of ${record.tool.name}` : grants.map(({ scope }) => scope).join(', ')
    const what = `${step} ${grantId ?? ''}: ${aim === '' ? 'a switch' : aim} for ${subject ?? 'somebody'}`
    return { kind: 'grant', who: actorOf(record), what, why: reason === undefined ? [] : [`reason: ${reason}`] }
  }
  if (type === 'ticket.approved')
    return { kind: 'grant', who: actorOf(record), what: `used ticket ${textOf(ext)('ticket')}`, why: [] }
  if (type === 'service.breaker') {
    const told = textOf(ext)
    return { kind: 'system', who: '', what: `breaker of ${told('server')}: ${told('state')}`, why: [told('why')] }
  }
  if (type === 'rollout.watch') return tellRollout(record)
  const what = others[type]
  return what === undefined ? undefined : { kind: 'system', who: '', what, why: loadFacts(textOf(ext)) }
}

/** A part of a changed configuration is in force once that is. */
function loadFacts(text: (key: string) => string): readonly string[] {
  const [digest, config] = [text('digest'), text('config')]
  return [
    ...(digest === '' ? [] : [`digest ${digest.slice(0, 16)}`]),
    ...(config === '' ? [] : [`counts once configuration ${config.slice(0, 16)} is loaded`]),
  ]
}

function tellRollout({ ext }: EvidenceRecord): Told {
  const text = textOf(ext)
  const rate = text('errorRate') === '' ? [] : [`${text('errorRate')} failed, ${text('errorLimit')} is too many`]
  const what = `watched ${text('flag')} in ${text('env')}, raised from ${text('fromPct')} % to ${text('toPct')} %: ${text('step')}`
  return { kind: 'system', who: 'the rollout guard', what, why: rate }
}

function actorOf({ actor, tenant, type }: EvidenceRecord): string {
  const who = actor?.id ?? (type === 'call.decision' ? 'somebody without a valid credential' : 'somebody')
  return tenant === undefined ? who : `${who} (${tenant})`
}

function issuerOf(issuedBy: unknown): string {
  const { kind, name, rule } = (issuedBy ?? {}) as Readonly<Record<string, unknown>>
  if (kind === 'detector' && typeof rule === 'string') return `rule ${rule}`
  return typeof name === 'string' ? name : 'an operator'
}

function textOf(ext: EvidenceRecord['ext']): (key: string) => string {
  return (key) => {
    const value = ext?.[key]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
