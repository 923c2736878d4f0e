import type { EvidenceRecord } from '../evidence/record.ts'
import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'
import { bothSpellings } from './scope-spelling.ts'

/** What a rule's `logsource.category` may name. */
export const categories = [
  'mcp_tool_invoke',
  'mcp_tool_result',
  'mcp_egress',
  'grant_change',
  'change_ticket',
  'catalog_change',
  'switch_change',
  'stream_health',
] as const

export type Category = (typeof categories)[number]

/** Dotted names to values. An absent field is missing; `null` is a feature that is not ready. */
export type Fields = Readonly<Record<string, Json>>

/** Where an event comes from: a stored record, and its place among the events of that record. */
export interface Origin {
  readonly stream: string
  readonly seq: number
  readonly leaf: string
  readonly part: number
}

/** One thing that happened, as rules see it. */
export interface DetectionEvent {
  readonly kind: Category
  /** The record's time, milliseconds since the epoch. */
  readonly atMs: number
  readonly origin: Origin
  readonly fields: Fields
}

type Draft = readonly [Category, JsonObject]

/**
 * The events of one stored record, in the order they happened. `leaf` is the record's leaf hash, hex.
 * A call gives an invocation when it is decided and a result when it ends: a write's intent gives the first and its outcome
 * the second, a read's outcome and a refusal give both. Records that say nothing a rule could ask for give none.
 */
export function eventsOf(record: EvidenceRecord, leaf: string): readonly DetectionEvent[] {
  const { stream, seq, tsMs: atMs } = record
  return drafts(record).map(([kind, fields], part) => ({
    kind,
    atMs,
    origin: { stream, seq, leaf, part },
    fields: present(fields),
  }))
}

function drafts(record: EvidenceRecord): readonly Draft[] {
  switch (record.type) {
    case 'call.intent':
      return [['mcp_tool_invoke', callFields(record)]]
    case 'call.decision':
      return [
        ['mcp_tool_invoke', callFields(record)],
        ['mcp_tool_result', resultFields(record)],
      ]
    case 'call.outcome':
      return outcomeDrafts(record)
    case 'grant.issue':
      return grantDrafts(record)
    case 'grant.approve':
    case 'grant.deny':
    case 'grant.expire':
      // Of requests only what changed somebody's rights.
      return record.ext?.['change'] === undefined ? [] : grantDrafts(record)
    case 'ticket.approved':
      return [['change_ticket', { ...who(record), ...prefixed('ticket', record.ext) }]]
    case 'catalog.load':
      return [['catalog_change', { ...who(record), ...prefixed('catalog', record.ext) }]]
    case 'kill.apply':
    case 'kill.release':
    case 'switch.enforced':
      return [['switch_change', switchFields(record)]]
    case 'stream.genesis':
    case 'stream.resume':
    case 'stream.gap':
    case 'stream.close':
    case 'call.unknown':
      return [['stream_health', { 'stream.id': record.stream, 'stream.event': record.type }]]
    default:
      return []
  }
}

function outcomeDrafts(record: EvidenceRecord): readonly Draft[] {
  const decided = record.ext?.['intentSeq'] === undefined
  const left = record.egress?.sizeBytes !== undefined
  return [
    ...(decided ? [['mcp_tool_invoke', callFields(record)] as const] : []),
    ['mcp_tool_result', resultFields(record)],
    ...(left ? [['mcp_egress', callFields(record)] as const] : []),
  ]
}

/** Who, from where and with which rights: on every event that has an actor. */
function who(record: EvidenceRecord): JsonObject {
  const { actor, ext } = record
  return {
    'tenant.id': record.tenant ?? text(ext?.['tenant']),
    'session.id': record.session,
    'trace.id': record.traceId,
    'actor.id': actor?.id,
    'actor.type': actor?.type,
    'actor.client': actor?.client,
    'token.jti': actor?.jti,
    'token.self_issued': ext?.['selfIssued'],
    ttl_sec: ext?.['ttlSec'],
    'scope.grants': record.grants && bothSpellings(record.grants.map(({ scope }) => scope)),
    'scope.outside_allow': ext?.['scopesOutsideAllow'],
  } as JsonObject
}

function callFields(record: EvidenceRecord): JsonObject {
  const { tool, decision, agentPlan, limits, ext, egress } = record
  return {
    ...who(record),
    'tool.name': nameForChains(tool?.name),
    'tool.server': tool?.server,
    'tool.version': tool?.version,
    'tool.effect': tool?.effect,
    'tool.annotations.polling': ext?.['polling'],
    'policy.decision': decision?.effect,
    'policy.reason': decision?.reasonCode,
    'policy.rules': decision?.rules,
    'policy.shadow': decision?.shadowEffect,
    'plan.id': agentPlan?.id,
    'plan.depth': larger(agentPlan?.depth, limits?.planDepth),
    'call.retry': larger(agentPlan?.retry, limits?.retry),
    'call.id': ext?.['callId'],
    'call.transport': ext?.['transport'],
    'call.region': ext?.['region'],
    'call.opens_prod_write': ext?.['opensProdWrite'],
    'args.hash': text(ext?.['argsHash']) ?? record.args?.digest,
    'args.simhash': ext?.['argsSimhash'],
    'args.size_bytes': record.args?.sizeBytes,
    'data.pii_count': record.dlp?.piiCount,
    'egress.domain': egress?.domain,
    'egress.registrable_domain': text(ext?.['registrableDomain']) ?? egress?.domain,
    'egress.ip': egress?.ip,
    'egress.bytes_out': egress?.sizeBytes,
    ...taintFields(ext?.['taint']),
  } as JsonObject
}

/** The gateway saw the arguments and says where they came from; the detector never sees them. */
function taintFields(taint: Json | undefined): JsonObject {
  if (!isJsonObject(taint)) return { 'taint.sink.tainted': false }
  return {
    'taint.sink.tainted': taint['tainted'],
    'taint.sink.source': taint['source'],
    'taint.sink.source_markers': taint['sourceMarkers'],
    'taint.sink.in_user_intent': taint['inUserIntent'],
    'taint.sink.value_hash': taint['valueHash'],
  } as JsonObject
}

function resultFields(record: EvidenceRecord): JsonObject {
  const { result, ext, decision } = record
  const refused = record.type === 'call.decision' ? (decision?.reasonCode ?? 'refused') : undefined
  return {
    ...callFields(record),
    'result.hash': refused ?? text(ext?.['resultHash']) ?? result?.errCode ?? result?.digest,
    'result.status': refused === undefined ? result?.status : 'refused',
    'result.error': result?.errCode,
    'result.rows': result?.rows,
    'result.size_bytes': result?.sizeBytes,
    'result.markers': ext?.['resultMarkers'] ?? 0,
  } as JsonObject
}

/** One event per scope: a rule judges scopes, not lists of them. */
function grantDrafts(record: EvidenceRecord): readonly Draft[] {
  const { ext = {}, grants = [] } = record
  const listed = (key: string, scope: string) => Array.isArray(ext[key]) && ext[key].includes(scope)
  const counts = isJsonObject(ext['toolsCount']) ? ext['toolsCount'] : {}
  const subject = text(ext['subject']) ?? record.actor?.id ?? ''
  return grants.map(({ scope, ticket, jit }) => [
    'grant_change',
    {
      ...who(record),
      'grant.id': `${subject}/${scope}`,
      'grant.scope': scope,
      'grant.change': ext['change'],
      'grant.subject': subject,
      'grant.issued_by': ext['issuedBy'],
      'grant.outside_allow': listed('outsideAllow', scope),
      'grant.opens_prod_write': listed('opensProdWrite', scope),
      'grant.tools_count': Object.hasOwn(counts, scope) ? counts[scope] : undefined,
      'grant.ticket': ticket,
      'grant.elevation': jit ?? false,
    } as JsonObject,
  ])
}

function switchFields(record: EvidenceRecord): JsonObject {
  const { ext = {} } = record
  const change = { 'kill.apply': 'engaged', 'kill.release': 'released', 'switch.enforced': 'enforced' } as const
  const by = isJsonObject(ext['issuedBy']) ? ext['issuedBy'] : {}
  return {
    ...who(record),
    'switch.id': ext['switchId'] ?? ext['id'],
    'switch.change': change[record.type as keyof typeof change],
    'switch.kind': ext['kind'],
    'switch.target': ext['target'],
    'switch.issued_by': by['kind'],
    'switch.alert': ext['alert'],
  } as JsonObject
}

/** Names that are in no catalog come from the agent; all of them are one, so that it cannot fill a table with inventions. */
function nameForChains(name: string | undefined): string | undefined {
  return name?.startsWith('_OTHER:') ? '_OTHER' : name
}

function prefixed(prefix: string, ext: JsonObject | undefined): JsonObject {
  const flat: Record<string, Json> = {}
  for (const [key, value] of Object.entries(ext ?? {})) if (!isJsonObject(value)) flat[`${prefix}.${key}`] = value
  return flat
}

function present(fields: JsonObject): Fields {
  const kept: Record<string, Json> = {}
  for (const [key, value] of Object.entries(fields)) if (value !== undefined && value !== null) kept[key] = value
  return kept
}

const text = (value: Json | undefined) => (typeof value === 'string' ? value : undefined)

/** A text or number as text; empty for everything else, and for what is missing. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
}
