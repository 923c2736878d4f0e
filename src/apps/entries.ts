import type { EvidenceEntry } from '../evidence/record.ts'
import type { Identified, Received } from '../call/call.ts'
import type { Halted } from '../call/halt.ts'
import type { Principal } from '../identity/principal.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Tool } from '../ports/tool.ts'
import type { GatewayOptions } from './options.ts'

/** What is loaded, written down at start. */
export function loadEntries(options: GatewayOptions): readonly EvidenceEntry[] {
  return [configEntry(options), policyEntry(options), catalogEntry(options)]
}

/**
 * What a reload puts in force: of policy and catalog what is new, each with the digest of the configuration it belongs to, and
 * last that configuration, which makes the others count.
 */
export function changeEntries(before: GatewayOptions, next: GatewayOptions): readonly EvidenceEntry[] {
  const config = next.configDigest
  const sameCatalog = JSON.stringify(catalogEntry(next)) === JSON.stringify(catalogEntry(before))
  return [
    ...(next.policy.digest === before.policy.digest ? [] : [policyEntry(next, { config })]),
    ...(sameCatalog ? [] : [catalogEntry(next, { config })]),
    configEntry(next, { previous: before.configDigest, policy: next.policy.digest }),
  ]
}

function configEntry({ configDigest, egress }: GatewayOptions, more: JsonObject = {}): EvidenceEntry {
  return { type: 'config.load', ext: { digest: configDigest, egressHosts: Object.keys(egress.hosts ?? {}), ...more } }
}

function policyEntry({ policy }: GatewayOptions, more: JsonObject = {}): EvidenceEntry {
  return { type: 'policy.load', ext: { digest: policy.digest, rules: policy.rulesCount, ...more } }
}

function catalogEntry({ catalog, detector }: GatewayOptions, more: JsonObject = {}): EvidenceEntry {
  const tools = catalog.list.map(({ definition }) => definition.name)
  return { type: 'catalog.load', ext: { digest: catalog.digest, tools, detections: detector.rules.digest, ...more } }
}

/** A credential showed scopes that this gateway has never seen this actor hold. */
export function grantEntry(who: Principal, scopes: readonly string[], tools: readonly Tool[]): EvidenceEntry {
  return {
    type: 'grant.issue',
    session: who.session,
    tenant: who.tenant,
    actor: who.actor,
    grants: scopes.map((scope) => ({ scope, ...(who.expMs !== undefined && { exp: who.expMs }) })),
    ext: {
      change: 'added',
      subject: who.actor.id,
      issuedBy: who.selfIssued ? 'gateway' : 'issuer',
      outsideAllow: who.outsideAllow.filter((scope) => scopes.includes(scope)),
      opensProdWrite: scopes.filter(opensProdWrite),
      toolsCount: Object.fromEntries(scopes.map((scope) => [scope, toolsOpenedBy(scope, tools)])),
      ...(who.ttlSec !== undefined && { ttlSec: who.ttlSec }),
    },
  }
}

/** A change ticket that names the caller and is approved, as its register had it when the caller showed new scopes. */
export function ticketEntry(who: Principal, ticket: string): EvidenceEntry {
  return {
    type: 'ticket.approved',
    session: who.session,
    tenant: who.tenant,
    actor: who.actor,
    ext: { ticket, state: 'approved', subject: who.actor.id },
  }
}

/** `flags.write:prod`: a scope that names a write and the production environment. */
function opensProdWrite(scope: string): boolean {
  return /\bwrite\b/.test(scope) && /:prod(uction)?$/.test(scope)
}

function toolsOpenedBy(scope: string, tools: readonly Tool[]): number {
  return tools.filter(({ visibleWith }) => visibleWith.includes(scope)).length
}

/** The first refusal of a session by one switch: proof that the order was enforced. */
export function enforcedEntry(
  { switchId, kind, target, code }: Halted,
  { who, trace, tool }: Received & Identified,
): EvidenceEntry {
  const ext: JsonObject = { switchId, kind, target, code }
  return {
    type: 'switch.enforced',
    traceId: trace.traceId,
    session: who.session,
    tenant: who.tenant,
    actor: who.actor,
    tool: { name: tool?.definition.name ?? '_OTHER' },
    ext,
  }
}
