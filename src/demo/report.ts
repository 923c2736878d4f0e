import { join } from 'node:path'
import type { JsonObject } from '../ports/json.ts'
import type { DemoReport, Played } from './run.ts'

/** What happened, for a person to read. `data` is where to look further, when it is kept. */
export function table(report: DemoReport, data: string | undefined): string {
  const { played, reactions, evidence, calls } = report
  return [
    '',
    heading('Golden flows'),
    ...played.filter(({ scene }) => scene.act === 'golden').map(row),
    '',
    heading('Attacks'),
    ...played.filter(({ scene }) => scene.act === 'attack').map(row),
    '',
    heading('What the detector found'),
    ...reactions.map(
      ({ alert, engaged, detectMs, enforceMs }) =>
        `  ${alert.severity.padEnd(9)} ${alert.rule.padEnd(26)} ${alert.actor.padEnd(20)} ` +
        `found in ${ms(detectMs)}${engaged.length === 0 ? ', shadow' : `, ${engaged.map(({ kind }) => `${kind} switch`).join(', ')} in force after ${ms(enforceMs ?? 0)}`}`,
    ),
    '',
    heading('What was left behind'),
    `  ${calls.calls} calls: ${calls.allowed} allowed, ${calls.denied} denied, ${calls.redacted} with personal data masked`,
    `  ${evidence.records} records in ${evidence.streams} streams: ${evidence.verified ? 'verified, every signature and link' : 'NOT VERIFIED'}`,
    ...(data === undefined
      ? ['  everything was removed again; use --keep or --data to look at it']
      : places(report, data)),
    '',
    report.missed.length === 0 ? 'Everything happened as it should.' : `Not as it should: ${report.missed.join('; ')}`,
    '',
  ].join('\n')
}

function places({ bundle }: DemoReport, data: string): readonly string[] {
  return [
    `  evidence  ${join(data, 'streams')}    sluicegate evidence list --data ${data}`,
    `  spans     ${join(data, 'spans.jsonl')}`,
    `  alerts    ${join(data, 'alerts.jsonl')}`,
    `  bundle    ${bundle}    unzip it and run: node verify.mjs ${bundle} --trust ${join(data, 'trust.json')}`,
  ]
}

const heading = (text: string): string => `${text}\n${'-'.repeat(text.length)}`

const row = ({ scene, ended, missed }: Played): string =>
  `  ${missed === undefined ? 'ok ' : 'NO '} ${scene.title.padEnd(62)} ${scene.agent.padEnd(20)} ${ended}${missed === undefined ? '' : `  (${missed})`}`

const ms = (value: number): string => `${value.toFixed(1)} ms`

/** The last line of `demo --json`. */
export function summary({ played, reactions, evidence, calls, bundle, missed }: DemoReport): JsonObject {
  return {
    ...calls,
    alerts: reactions.map(({ alert: { rule, severity, tenant, actor, session, trace } }) => ({
      rule,
      severity,
      tenant,
      actor,
      session,
      trace,
    })),
    switches: reactions.flatMap(({ alert, engaged, detectMs, enforceMs = detectMs }) =>
      engaged.map(({ kind, target }) => ({ kind, target, rule: alert.rule, detectMs, enforceMs })),
    ),
    evidence,
    bundle,
    scenes: played.length,
    missed,
    ok: missed.length === 0,
  }
}
