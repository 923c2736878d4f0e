import { createHash } from 'node:crypto'
import type { Alert, Severity } from '../detection/alert.ts'
import type { AlertSink } from '../ports/alert-sink.ts'
import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Meters } from '../telemetry/metrics.ts'

export interface AlertingParts {
  readonly log: Pick<EvidenceLog, 'append'>
  /** Those of the configuration in force. */
  readonly sinks: () => readonly AlertSink[]
  readonly meters: Pick<Meters, 'delivery'>
  readonly fault: (error: unknown) => void
}

/** Makes the alert evidence, then hands it to every sink. One that cannot deliver is counted, and the others still do. Never rejects. */
export type Tell = (alert: Alert, more?: JsonObject) => Promise<void>

export function alerting({ log, sinks, meters, fault }: AlertingParts): Tell {
  return async (alert, more = {}) => {
    const ext = { ...alert, ...more } as unknown as JsonObject
    await log
      .append({
        type: 'alert',
        ext,
        ...(alert.tenant !== '' && { tenant: alert.tenant }),
        ...(alert.session !== '' && { session: alert.session }),
        ...(/^[0-9a-f]{32}$/.test(alert.trace) && { traceId: alert.trace }),
      })
      .catch(fault)
    await Promise.all(
      sinks().map(async (sink) => {
        try {
          await sink.deliver(alert)
          meters.delivery(sink.name, 'delivered')
        } catch (error) {
          meters.delivery(sink.name, 'failed')
          fault(error)
        }
      }),
    )
  }
}

/** Something the gateway itself must tell a person, that no detection rule is asked about. */
export interface OwnAlert {
  /** Stable name, as a rule's would be, e.g. `config_refused`. */
  readonly rule: string
  readonly title: string
  readonly severity: Severity
  /** At most 120 characters. */
  readonly summary: string
  readonly why: string
  readonly runbook?: string
  /** What the incident is about: equal alerts on one of these are one incident. */
  readonly entity: string
  readonly tenant?: string
  /** The record that says the same. */
  readonly receipt?: Receipt
  readonly atMs: number
}

/** The alert as sinks take it. */
export function ownAlert({ entity, receipt, tenant = '', ...told }: OwnAlert): Alert {
  const { rule, atMs } = told
  return {
    ...told,
    id: hash(`${rule}|${tenant}|${entity}|${atMs}|${receipt?.leaf ?? ''}`),
    dedupeKey: hash(`${rule}|${tenant}|${entity}`),
    ruleId: `sluicegate.${rule}`,
    ruleVersion: 1,
    ruleSetDigest: '',
    tenant,
    actor: '',
    session: '',
    trace: '',
    tools: [],
    tags: ['gateway'],
    summary: told.summary.slice(0, 120),
    evidence: receipt ? [{ stream: receipt.stream, seq: receipt.seq, leaf: receipt.leaf }] : [],
  }
}

const hash = (what: string): string => createHash('sha256').update(what).digest('hex').slice(0, 32)
