import { createHash } from 'node:crypto'
import type { RuleSet } from '../detection/check.ts'
import { eventsOf } from '../detection/event.ts'
import { detector } from '../detection/fold.ts'
import type { EvidenceEntry, EvidenceRecord } from '../evidence/record.ts'
import type { JsonObject } from '../ports/json.ts'
import { chainFor, dice, honestActors, honestVendors, type Tool } from './honest-days.ts'

/** How much honest work the baseline shows the detector. */
export interface BaselineOptions {
  readonly rules: RuleSet
  /** When the simulated days end, milliseconds since the epoch; real time goes on from here. */
  readonly endMs: number
  readonly days?: number
  readonly sessionsPerTenant?: number
  readonly seed?: number
}

export interface Baseline {
  /** The detector's memory after the simulated days, as `Detector.snapshot` gives it. */
  readonly snapshot: JsonObject
  readonly sessions: number
  readonly days: number
  readonly events: number
  /** Alerts by rule that honest work raised on the way. */
  readonly alerts: Readonly<Record<string, number>>
}

const dayMs = 86_400_000

/**
 * Lets honest agents of three tenants work for some weeks on a simulated clock, and the product's own fold watch them. The last
 * session ends 25 hours before `endMs`, so that all of them count as quiet by then. The same options give the same snapshot.
 */
export function simulateBaseline({
  rules,
  endMs,
  days = 18,
  sessionsPerTenant = 300,
  seed = 20_260,
}: BaselineOptions): Baseline {
  const fold = detector({ rules, stages: { default: 'shadow', rules: {} } })
  const sessions = Object.keys(honestVendors)
    .flatMap((tenant, index) =>
      honestSessions({ tenant, endMs, days, count: sessionsPerTenant, roll: dice(seed + index) }),
    )
    .sort((one, other) => one.startMs - other.startMs)
  const alerts: Record<string, number> = {}
  let seq = 0
  let events = 0
  for (const session of sessions)
    for (const { entry, atMs } of recordsOf(session)) {
      const record = placed(entry, atMs, seq++)
      for (const event of eventsOf(record, leafOf(record))) {
        events += 1
        for (const { alert } of fold.step(event)) alerts[alert.rule] = (alerts[alert.rule] ?? 0) + 1
      }
    }
  fold.watermark(endMs)
  return { snapshot: fold.snapshot(), sessions: sessions.length, days, events, alerts }
}

interface Session {
  readonly tenant: string
  readonly actor: string
  readonly key: string
  readonly startMs: number
  readonly tools: readonly Tool[]
  readonly roll: () => number
}

interface Plan {
  readonly tenant: string
  readonly endMs: number
  readonly days: number
  readonly count: number
  readonly roll: () => number
}

/** Spread evenly over the days, within working hours of a sort. */
function honestSessions({ tenant, endMs, days, count, roll }: Plan): readonly Session[] {
  const startMs = endMs - days * dayMs
  const spanMs = (days - 1) * dayMs - 2 * 3_600_000
  return Array.from({ length: count }, (_, index): Session => ({
    tenant,
    actor: honestActors[Math.floor(roll() * honestActors.length)]!,
    key: `${hex(`${tenant}-${index}`, 12)}-s${hex(`${index}-${tenant}`, 12)}`,
    startMs: startMs + Math.floor(((index + roll()) * spanMs) / count),
    tools: chainFor(roll()),
    roll,
  }))
}

interface Step {
  readonly entry: EvidenceEntry
  readonly atMs: number
}

function recordsOf(session: Session): readonly Step[] {
  let atMs = session.startMs
  return session.tools.flatMap((tool, step) => {
    atMs += 2_000 + Math.floor(session.roll() * 40_000)
    const call = callOf(session, tool, step)
    const answered = atMs + 80 + Math.floor(session.roll() * 300)
    if (tool === 'orders.export') return [{ entry: outcome(call), atMs: answered }]
    return [
      { entry: { ...call, type: 'call.intent' as const }, atMs },
      { entry: outcome(call, { intentSeq: 0 }), atMs: answered },
    ]
  })
}

const effects: Readonly<Record<Tool, string>> = {
  'orders.export': 'read',
  'flag.set': 'write',
  'web.fetchSafe': 'egress',
  'crm.bulk_update': 'write',
}

/** What every record of one call says. Fingerprints are hashes of a counter: honest calls differ. */
function callOf({ tenant, actor, key, roll }: Session, tool: Tool, step: number): EvidenceEntry {
  const id = `${key}-${step}`
  const domains = honestVendors[tenant]!
  const domain = domains[Math.floor(roll() * domains.length)]!
  return {
    type: 'call.outcome',
    traceId: hex(`trace ${key}`, 32),
    spanId: hex(`span ${id}`, 16),
    session: key,
    req: id,
    tenant,
    actor: { id: actor, type: 'agent', jti: hex(`jti ${key}`, 32) },
    agentPlan: { depth: 1 + Math.floor(roll() * 4), retry: 0 },
    tool: { name: tool, effect: effects[tool] },
    grants: ['orders.read', 'flags.write:staging', 'web.fetch', 'web.post', 'crm.write'].map((scope) => ({ scope })),
    decision: { effect: 'allow', rules: ['honest'], bundleDigest: '', mode: 'enforce' },
    args: keyed(`args ${id}`),
    ...(tool === 'web.fetchSafe' && { egress: { domain, sizeBytes: bodyBytes(roll) } }),
    ext: {
      callId: id,
      ttlSec: 600,
      selfIssued: false,
      argsHash: hex(`args ${id}`, 16),
      argsSimhash: hex(`simhash ${id}`, 16),
      ...(tool === 'web.fetchSafe' && { registrableDomain: domain }),
    },
  }
}

/** Most posts are a form or a small document, 900 to 3,000 bytes on a logarithmic scale; one in ten is a mere question. */
function bodyBytes(roll: () => number): number {
  const size = Math.round(900 * (3_000 / 900) ** roll())
  return roll() < 0.1 ? 0 : size
}

function outcome(call: EvidenceEntry, ext: JsonObject = {}): EvidenceEntry {
  const result = hex(`result ${call.req}`, 16)
  return {
    ...call,
    type: 'call.outcome',
    result: { ...keyed(result), status: 'ok' },
    ext: { ...call.ext, ...ext, resultHash: result },
  }
}

function placed(entry: EvidenceEntry, atMs: number, seq: number): EvidenceRecord {
  const place = {
    v: 1,
    stream: 'baseline',
    seq,
    prev: '0'.repeat(64),
    tsMs: atMs,
    wallMs: atMs,
    monoNs: '0',
    boot: '0'.repeat(32),
  } as const
  return { ...entry, ...place }
}

const leafOf = ({ stream, seq }: EvidenceRecord) => hex(`${stream}:${seq}`, 64)

function keyed(what: string) {
  return { digest: hex(what, 64), alg: 'hmac-sha256', keyId: 'simulated', sizeBytes: what.length } as const
}

const hex = (text: string, length: number) => createHash('sha256').update(text).digest('hex').slice(0, length)
