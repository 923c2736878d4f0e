import { hash, randomBytes } from 'node:crypto'
import { eventsOf, type DetectionEvent } from '../src/detection/event.ts'
import type { EvidenceEntry, EvidenceRecord } from '../src/evidence/record.ts'

/** What calls leave behind, without the calls: as large and as varied as the gateway's own. */

const tools = [
  { name: 'orders.export', effect: 'read' },
  { name: 'orders.export', effect: 'read' },
  { name: 'flag.set', effect: 'write' },
  { name: 'crm.bulk_update', effect: 'write' },
  { name: 'web.fetchSafe', effect: 'egress' },
] as const

const tenants = ['acme', 'globex', 'initech']
const domains = ['carrier-rates.example', 'tax-lookup.example', 'status-board.example']
const actorsCount = 60
const callsPerSession = 8

const pick = <T>(all: readonly T[], at: number): T => all[at % all.length] as T
const hex = (text: string, length: number): string => hash('sha256', text, 'hex').slice(0, length)
const scopes = ['orders.read', 'flags.write:staging', 'web.fetch', 'crm.write'].map((scope) => ({ scope }))

/** The outcome of the n-th call: three tenants, sixty agents, eight calls to a session, no two calls alike. */
export function entryOf(ordinal: number): EvidenceEntry {
  const session = Math.floor(ordinal / callsPerSession)
  const tool = pick(tools, ordinal + session)
  const args = hex(`args ${ordinal}`, 64)
  const result = hex(`result ${ordinal}`, 64)
  const domain = pick(domains, ordinal)
  return {
    type: 'call.outcome',
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    session: `${hex(`actor ${session % actorsCount}`, 12)}-s${hex(`session ${session}`, 12)}`,
    req: `bench-${ordinal}`,
    tenant: pick(tenants, session),
    actor: { id: `agent:${session % actorsCount}`, type: 'agent', jti: hex(`jti ${session}`, 32) },
    agentPlan: { synthetic: true },
    tool,
    grants: scopes,
    decision: {
      effect: 'allow',
      rules: ['bench-allow', 'bench-mask'],
      bundleDigest: hex('policy', 64),
      mode: 'enforce',
    },
    limits: { budgetUsedMicroUsd: 0, planDepth: 1, retry: 0 },
    args: keyed(args),
    result: { ...keyed(result), status: 'ok' },
    dlp: { piiCount: ordinal % 3, kinds: { email: ordinal % 3 }, detectorVersion: '1' },
    ...(tool.effect === 'egress' && { egress: { domain, sizeBytes: 900 + (ordinal % 2_000) } }),
    timing: { us: { authenticate: 20, limit: 9, validate: 8, inspect: 12, decide: 14, invoke: 9, redact: 25 } },
    ext: {
      callId: `bench-${ordinal}`,
      transport: 'http',
      scopesOutsideAllow: [],
      selfIssued: true,
      ttlSec: 600,
      region: 'us-east',
      argsHash: args.slice(0, 16),
      argsSimhash: hex(`simhash ${ordinal}`, 16),
      resultHash: result.slice(0, 16),
      ...(tool.effect === 'egress' && { registrableDomain: domain }),
    },
  }
}

function keyed(digest: string) {
  return { digest, alg: 'hmac-sha256', keyId: '2026-11/acme', sizeBytes: 100 } as const
}

/** What detectors see of the calls from `first` on, one and a half seconds apart. */
export function eventsFrom(first: number, count: number): readonly DetectionEvent[] {
  return Array.from({ length: count }, (_, index) => recordOf(first + index)).flatMap((record) =>
    eventsOf(record, hex(`leaf ${record.seq}`, 64)),
  )
}

const beginMs = Date.UTC(2026, 0, 1)

function recordOf(seq: number): EvidenceRecord {
  const tsMs = beginMs + seq * 1_500
  const place = { v: 1, stream: 'bench', seq, prev: '', tsMs, wallMs: tsMs, monoNs: '0', boot: '' } as const
  return { ...entryOf(seq), ...place }
}
