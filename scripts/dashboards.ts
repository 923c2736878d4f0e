/** Writes `grafana/dashboards/`. Metric names come from `src/telemetry/names.ts`; `--check` only compares. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { label, metric } from '../src/telemetry/names.ts'

interface Panel {
  readonly title: string
  /** What the reader is to make of it. */
  readonly description: string
  readonly type: 'stat' | 'timeseries' | 'table' | 'bargauge'
  readonly unit?: string
  readonly width: 6 | 8 | 12 | 24
  readonly queries: readonly { readonly expr: string; readonly legend?: string }[]
}

/** A counter as `/metrics` shows it. */
const counter = (name: string): string => `${plain(name)}_total`
const plain = (name: string): string => name.replaceAll('.', '_')

/** Increase over the window that the dashboard shows. */
const inWindow = (name: string, by: string, where = ''): string =>
  `sum by (${by}) (increase(${counter(name)}${where}[$__range]))`

const rate = (name: string, by: string, where = ''): string =>
  `sum by (${by}) (rate(${counter(name)}${where}[$__rate_interval]))`

const quantile = (q: number, name: string, by = ''): string =>
  `histogram_quantile(${q}, sum by (le${by && `, ${by}`}) (rate(${plain(name)}_bucket[$__rate_interval])))`

const soc: readonly Panel[] = [
  {
    title: 'Switches engaged',
    description: 'Kill switches in force now, by kind. `sluicegate switch list` says who ordered them, and why.',
    type: 'stat',
    width: 6,
    queries: [{ expr: `sum by (${label.kind}) (${plain(metric.switches)})`, legend: `{{${label.kind}}}` }],
  },
  {
    title: 'Alerts',
    description: 'Findings in this window, by rule and severity.',
    type: 'stat',
    width: 6,
    queries: [
      {
        expr: inWindow(metric.alerts, `${label.rule}, ${label.severity}`),
        legend: `{{${label.rule}}} ({{${label.severity}}})`,
      },
    ],
  },
  {
    title: 'Calls refused',
    description: 'Share of calls that ended as a refusal in this window.',
    type: 'stat',
    unit: 'percentunit',
    width: 6,
    queries: [
      {
        expr:
          `sum(increase(${counter(metric.calls)}{${label.outcome}="refused"}[$__range])) / ` +
          `sum(increase(${counter(metric.calls)}[$__range]))`,
      },
    ],
  },
  {
    title: 'Time to detect and enforce, p99',
    description: 'From the offending record’s durability to the finding, and to the first refused call.',
    type: 'stat',
    unit: 's',
    width: 6,
    queries: [
      { expr: quantile(0.99, metric.detect), legend: 'detect' },
      { expr: quantile(0.99, metric.enforce), legend: 'enforce' },
    ],
  },
  {
    title: 'Decisions',
    description: 'What policy made of calls.',
    type: 'timeseries',
    unit: 'reqps',
    width: 12,
    queries: [{ expr: rate(metric.calls, label.decision), legend: `{{${label.decision}}}` }],
  },
  {
    title: 'Refusals by code',
    description: 'Why calls were refused.',
    type: 'timeseries',
    unit: 'reqps',
    width: 12,
    queries: [{ expr: rate(metric.calls, label.code, `{${label.outcome}="refused"}`), legend: `{{${label.code}}}` }],
  },
  {
    title: 'Refusals by tenant and tool',
    description: 'Whose calls, and of what, in this window.',
    type: 'table',
    width: 12,
    queries: [
      {
        expr: `topk(20, ${inWindow(metric.calls, `${label.tenant}, ${label.tool}, ${label.code}`, `{${label.outcome}="refused"}`)})`,
      },
    ],
  },
  {
    title: 'Personal data found, by kind',
    description: 'Values found in arguments and results.',
    type: 'bargauge',
    width: 12,
    queries: [
      {
        expr: inWindow(metric.redactions, `${label.kind}, ${label.direction}`),
        legend: `{{${label.kind}}} in {{${label.direction}}}`,
      },
    ],
  },
  {
    title: 'Calls per tool',
    description: 'How much each tool is used.',
    type: 'timeseries',
    unit: 'reqps',
    width: 12,
    queries: [{ expr: rate(metric.calls, label.tool), legend: `{{${label.tool}}}` }],
  },
  {
    title: 'Tool latency, p95',
    description: 'Whole call, from arrival to answer.',
    type: 'timeseries',
    unit: 's',
    width: 12,
    queries: [{ expr: quantile(0.95, metric.operation, label.tool), legend: `{{${label.tool}}}` }],
  },
  {
    title: 'Breakers that are not closed',
    description:
      'By service and region: 1 half open, 2 open. Calls to these are refused unsent, but for one probe at a time.',
    type: 'timeseries',
    width: 12,
    queries: [{ expr: `sum by (${label.server}) (${plain(metric.breaker)}) > 0`, legend: `{{${label.server}}}` }],
  },
  {
    title: 'Error budget used',
    description:
      'Of tools with a P95 objective: one call in twenty may take longer. 1 is all of it, over the window shown.',
    type: 'timeseries',
    unit: 'percentunit',
    width: 12,
    queries: [
      {
        expr: `${inWindow(metric.objectiveOver, label.tool)} / (0.05 * ${inWindow(metric.objectiveCalls, label.tool)})`,
        legend: `{{${label.tool}}}`,
      },
    ],
  },
  {
    title: 'Limits met',
    description: 'Calls refused by a limit, by its name.',
    type: 'timeseries',
    unit: 'reqps',
    width: 12,
    queries: [{ expr: rate(metric.limitHits, label.limit), legend: `{{${label.limit}}}` }],
  },
  {
    title: 'Calls held back from services',
    description: 'Not sent: the breaker was open, or no place was free in time.',
    type: 'timeseries',
    unit: 'reqps',
    width: 12,
    queries: [
      {
        expr: rate(metric.serviceHeldBack, `${label.server}, ${label.reason}`),
        legend: `{{${label.server}}}: {{${label.reason}}}`,
      },
    ],
  },
  {
    title: 'Time per stage, p95',
    description: 'What the gateway itself costs, and where. `invoke` and `service` are the tool’s own time.',
    type: 'timeseries',
    unit: 's',
    width: 24,
    queries: [{ expr: quantile(0.95, metric.stage, label.stage), legend: `{{${label.stage}}}` }],
  },
]

/** Panels from left to right, twenty-four columns to a row. */
function placed(panels: readonly Panel[]): readonly object[] {
  let [x, y] = [0, 0]
  return panels.map((panel, index) => {
    const height = panel.type === 'stat' ? 5 : 8
    if (x + panel.width > 24) [x, y] = [0, y + 8]
    const gridPos = { x, y, w: panel.width, h: height }
    x += panel.width
    if (x >= 24) [x, y] = [0, y + height]
    return { id: index + 1, ...drawn(panel), gridPos }
  })
}

function drawn({ title, description, type, unit, queries }: Panel): object {
  const instant = type !== 'timeseries'
  return {
    title,
    description,
    type,
    datasource,
    fieldConfig: { defaults: { ...(unit !== undefined && { unit }), noValue: 'none' }, overrides: [] },
    options: type === 'stat' ? { reduceOptions: { calcs: ['lastNotNull'] }, textMode: 'value_and_name' } : {},
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr,
      ...(instant ? { instant: true, range: false } : { range: true }),
      ...(type === 'table' && { format: 'table' }),
      ...(legend !== undefined && { legendFormat: legend }),
    })),
  }
}

const datasource = { type: 'prometheus', uid: 'sluicegate-prometheus' }

function dashboard(uid: string, title: string, panels: readonly Panel[]): string {
  const links = [
    { title: 'Traces', type: 'link', url: 'http://127.0.0.1:16686/search?service=sluicegate', targetBlank: true },
  ]
  const time = { from: 'now-6h', to: 'now' }
  const board = { uid, title, tags: ['sluicegate'], schemaVersion: 42, editable: false, refresh: '10s', time, links }
  return `${JSON.stringify({ ...board, panels: placed(panels) }, null, 2)}\n`
}

/** File name to content. */
export const dashboards: Readonly<Record<string, string>> = {
  'soc.json': dashboard('sluicegate-soc', 'Sluicegate SOC', soc),
}

/** Every PromQL expression of every dashboard. */
export const expressions: readonly string[] = soc.flatMap(({ queries }) => queries.map(({ expr }) => expr))

function main(check: boolean): void {
  const directory = path.join(import.meta.dirname, '../grafana/dashboards')
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(dashboards)) {
    const file = path.join(directory, name)
    if (!check) writeFileSync(file, text)
    else if (readFileSync(file, 'utf8') !== text) {
      process.stderr.write(`${file} is out of date: run \`node scripts/dashboards.ts\`\n`)
      process.exitCode = 1
    }
  }
}

if (import.meta.main) main(process.argv.includes('--check'))
