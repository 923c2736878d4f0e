import type { EvidenceRecord } from '../evidence/record.ts'
import type { Finding, Severity } from './alert.ts'
import { eventsOf } from './event.ts'
import type { Detector } from './fold.ts'

/** What one rule would have done over past evidence. */
interface RuleReport {
  readonly rule: string
  readonly alerts: number
  readonly sessions: number
  readonly per1000Sessions: number
  readonly severities: Readonly<Partial<Record<Severity, number>>>
  /** By action and mode: how often, and on how many different targets. */
  readonly responses: Readonly<
    Record<string, { readonly action: string; readonly mode: string; readonly count: number; readonly targets: number }>
  >
}

export interface ReplayReport {
  readonly records: number
  readonly events: number
  readonly sessions: number
  readonly alerts: number
  readonly per1000Sessions: number
  readonly rules: readonly RuleReport[]
}

/** Counts what a fold finds in records. Nothing is sent anywhere. */
export interface Replay {
  /** Judges one record; `leaf` is its leaf hash, hex. */
  record(record: EvidenceRecord, leaf: string): readonly Finding[]
  report(): ReplayReport
}

/** Sessions told apart; beyond, rates come out a little high. */
const sessionsMax = 1_000_000

export function replay(fold: Detector): Replay {
  const sessions = new Set<string>()
  const findings = new Map<string, Finding[]>()
  let records = 0
  let events = 0

  function note(finding: Finding): void {
    const list = findings.get(finding.alert.rule)
    if (list) list.push(finding)
    else findings.set(finding.alert.rule, [finding])
  }

  return {
    record(record, leaf) {
      records += 1
      if (record.session !== undefined && sessions.size < sessionsMax) sessions.add(record.session)
      const found = eventsOf(record, leaf).flatMap((event) => {
        events += 1
        return fold.step(event)
      })
      for (const finding of found) note(finding)
      return found
    },
    report() {
      const rules = [...findings]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([rule, found]) => ruleReport(rule, found, sessions.size))
      const alerts = rules.reduce((sum, one) => sum + one.alerts, 0)
      return { records, events, sessions: sessions.size, alerts, per1000Sessions: rate(alerts, sessions.size), rules }
    },
  }
}

function ruleReport(rule: string, found: readonly Finding[], sessions: number): RuleReport {
  const severities: Partial<Record<Severity, number>> = {}
  for (const { alert } of found) severities[alert.severity] = (severities[alert.severity] ?? 0) + 1
  return {
    rule,
    alerts: found.length,
    sessions: new Set(found.map(({ alert }) => alert.session)).size,
    per1000Sessions: rate(found.length, sessions),
    severities,
    responses: responsesOf(found),
  }
}

function responsesOf(found: readonly Finding[]): RuleReport['responses'] {
  const all = found.flatMap(({ responses }) => responses)
  const keys = [...new Set(all.map(({ action, mode }) => `${action} ${mode}`))]
  return Object.fromEntries(
    keys.map((key) => {
      const alike = all.filter(({ action, mode }) => `${action} ${mode}` === key)
      const { action, mode } = alike[0]!
      return [
        key,
        { action, mode, count: alike.length, targets: new Set(alike.map(({ targetValue }) => targetValue)).size },
      ]
    }),
  )
}

const rate = (count: number, sessions: number) => (sessions === 0 ? 0 : Math.round((count / sessions) * 10_000) / 10)
