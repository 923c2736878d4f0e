import type { Alert } from '../detection/alert.ts'
import type { AlertSink } from '../ports/alert-sink.ts'

export interface ConsoleSinkOptions {
  /** Takes whole lines of text, each with its end, e.g. stderr: stdout may carry protocol. */
  readonly write: (text: string) => void
}

/** Prints each alert as a few plain lines. Cannot fail unless `write` does. */
export function consoleAlertSink({ write }: ConsoleSinkOptions): AlertSink {
  return {
    name: 'console',
    deliver: async (alert) => write(`${lines(alert)}\n`),
    close: async () => {},
  }
}

function lines(alert: Alert): string {
  const { severity, summary, why, tenant, session, trace, runbook, evidence } = alert
  const first = evidence[0]
  return [
    `ALERT ${severity} ${alert.rule}: ${summary}`,
    `  why      ${why}`,
    `  where    tenant ${tenant || '-'}, session ${session || '-'}, trace ${trace || '-'}`,
    ...(first
      ? [`  evidence ${first.stream}:${first.seq}${evidence.length > 1 ? ` and ${evidence.length - 1} more` : ''}`]
      : []),
    ...(runbook === undefined ? [] : [`  runbook  ${runbook}`]),
  ]
    .map(printable)
    .join('\n')
}

/** A terminal obeys control characters, and parts of an alert were named by an agent. */
const printable = (line: string) => line.replace(/\p{C}/gu, '?')
