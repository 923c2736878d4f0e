import type { Finding } from '../../src/detection/alert.ts'
import type { Category, DetectionEvent } from '../../src/detection/event.ts'
import type { Detector } from '../../src/detection/fold.ts'
import type { JsonObject } from '../../src/ports/json.ts'

/** A Friday noon. */
export const noonMs = Date.UTC(2026, 10, 20, 12)

/** Makes events of one stream, each a place further. */
export function stream(name = 'gateway-a') {
  let seq = 0
  return (kind: Category, atMs: number, fields: JsonObject): DetectionEvent => {
    seq += 1
    return { kind, atMs, origin: { stream: name, seq, leaf: `leaf-${name}-${seq}`, part: 0 }, fields }
  }
}

const effects: JsonObject = { 'orders.export': 'read', 'web.fetchSafe': 'egress', 'flag.set': 'write', 'crm.bulk_update': 'write' }

/** What an ordinary allowed call says when it is decided. */
export function call(tool: string, fields: JsonObject = {}): JsonObject {
  return {
    'tenant.id': 'acme',
    'session.id': 's1',
    'actor.id': 'agent:demo',
    'actor.type': 'agent',
    'trace.id': 't'.repeat(32),
    'tool.name': tool,
    'tool.effect': effects[tool] ?? 'read',
    'policy.decision': 'allow',
    'taint.sink.tainted': false,
    ...fields,
  }
}

export function run(fold: Detector, events: readonly DetectionEvent[]): readonly Finding[] {
  return events.flatMap((event) => fold.step(event))
}

export const rulesOf = (findings: readonly Finding[]) => findings.map(({ alert }) => alert.rule)
