import type { Counter, Histogram, Meter } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { CallFacts, CallStart, Part } from '../ports/observer.ts'
import { label, metric } from './names.ts'
import { limitMeters } from './limit-meters.ts'
import { objectiveMeters, type Objectives } from './objective-meters.ts'
import { folded } from './series.ts'
import { serviceMeters, type ServiceMeters } from './service-meters.ts'

/** What is true right now, asked when somebody looks. */
interface Gauges {
  /** Engaged switches by kind. */
  readonly switches?: () => Readonly<Record<string, number>>
  /** Breakers by service: 0 closed, 1 half open, 2 open. */
  readonly breakers?: () => Readonly<Record<string, number>>
  /** Calls that wait for a place, by service. */
  readonly queues?: () => Readonly<Record<string, number>>
  /** Rollouts under way by what is done about them: watched, or rolling back. */
  readonly rollouts?: () => Readonly<Record<string, number>>
  /** P95 objectives by tool, seconds. */
  readonly objectives?: () => Objectives
  /** Parts a gateway needs: 0 in order, 1 a warning, 2 keeps it from being ready. */
  readonly readiness?: () => Readonly<Record<string, number>>
  /** Seconds the bus is behind. */
  readonly busLagS?: () => number
  /** Seconds each consumer of evidence is behind. */
  readonly lagS?: () => Readonly<Record<string, number>>
}

/** Counts what happened. Every label is bounded: names beyond the bound are counted under `_OTHER`. */
export interface Meters extends ServiceMeters {
  /** For the SDK's own measurements, e.g. spans dropped because a queue was full. */
  readonly provider: MeterProvider
  call(start: CallStart, facts: CallFacts, us: number): void
  stage(part: Part, us: number): void
  /** One durable append to the evidence log. */
  committed(us: number): void
  record(type: string): void
  /** Lines of evidence that the bus took. */
  carried(lines: number): void
  evidenceProblem(code: string): void
  policyHit(rule: string, decision: string): void
  /** What policy decided, and what it would have with the shadow rules enforced. */
  shadow(rule: string, decision: string, wouldBe: string): void
  egress(domain: string, sizeBytes: number): void
  egressBlocked(reason: string): void
  authFailure(reason: string): void
  alert(rule: string, severity: string): void
  delivery(sink: string, result: 'delivered' | 'failed'): void
  /** Offending record durable -> finding. */
  detected(rule: string, ms: number): void
  /** Offending record durable -> first refused call. */
  enforced(kind: string, ms: number): void
  /** Something happened to the certificate of a listener or a service. */
  certificate(name: string, result: string): void
  /** A connection was closed before its client was done. */
  cut(reason: string): void
  /** A watched rollout took a step, e.g. `begun`, `kept`, `rolled back`. */
  rollout(step: string): void
  /** Asked for at every scrape; call once. */
  watchCertificates(read: () => readonly CertificateGauge[]): void
  /** One attempt to put a changed configuration in force. */
  reload(result: 'loaded' | 'unchanged' | 'refused'): void
  /** Asked for at every scrape; call once for each gauge. */
  watch(gauges: Gauges): void
  /** Everything as Prometheus text, format 0.0.4. */
  text(): Promise<string>
  close(): Promise<void>
}

/** Of a certificate in use: seconds since it became valid, and until it ends. */
interface CertificateGauge {
  readonly name: string
  readonly ageS: number
  readonly expiryS: number
}

const operationS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
const stageS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5]
const reactionS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60]

const toolsMax = 500
const tenantsMax = 200
const rulesMax = 500
const domainsMax = 200
const certificatesMax = 100

/** Metrics of one process, read through `text()`; nothing listens on a port of its own. */
export function meters(): Meters {
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const provider = new MeterProvider({ readers: [exporter] })
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true)
  const meter = provider.getMeter('sluicegate')
  const calls = callMeters(meter)
  const limited = limitMeters(meter)
  const objectives = objectiveMeters(meter)
  return {
    provider,
    ...calls,
    call(start, facts, us) {
      calls.call(start, facts, us)
      limited(facts)
      objectives.ended(start.tool, facts.outcome, us)
    },
    ...ruleMeters(meter),
    ...evidenceMeters(meter),
    ...reactionMeters(meter),
    ...transportMeters(meter),
    ...serviceMeters(meter),
    ...configMeters(meter),
    watch(gauges) {
      watch(meter, gauges)
      if (gauges.objectives) objectives.watch(gauges.objectives)
    },
    text: async () => serializer.serialize((await exporter.collect()).resourceMetrics),
    close: () => provider.shutdown(),
  }
}

function callMeters(meter: Meter): Pick<Meters, 'call' | 'stage' | 'egress' | 'egressBlocked' | 'authFailure'> {
  const operation = histogram(meter, metric.operation, operationS)
  const stage = histogram(meter, metric.stage, stageS)
  const calls = counter(meter, metric.calls, '{call}')
  const redactions = counter(meter, metric.redactions, '{value}')
  const cost = counter(meter, metric.cost, '{USD}')
  const size = counter(meter, metric.egressSize, 'By')
  const blocked = counter(meter, metric.egressBlocked, '{request}')
  const failures = counter(meter, metric.authFailures, '{call}')
  const [tools, tenants, domains, kinds] = [folded(toolsMax), folded(tenantsMax), folded(domainsMax), folded(100)]

  function call(start: CallStart, facts: CallFacts, us: number): void {
    const tool = tools(start.tool)
    const tenant = tenants(facts.tenant ?? '')
    const ending = { [label.outcome]: facts.outcome, [label.errorType]: facts.code ?? '' }
    operation.record(us / 1e6, { [label.method]: 'tools/call', [label.tool]: tool, ...ending })
    const code = { [label.code]: facts.code ?? 'ok', [label.outcome]: facts.outcome }
    calls.add(1, { [label.tool]: tool, [label.tenant]: tenant, [label.decision]: facts.decision, ...code })
    if (facts.costUsd !== undefined) cost.add(facts.costUsd, { [label.tenant]: tenant, [label.tool]: tool })
    count(facts.found, 'arguments', tenant)
    count(facts.shown, 'result', tenant)
  }

  function count(found: CallFacts['found'], direction: string, tenant: string): void {
    for (const [kind, n] of Object.entries(found ?? {})) {
      redactions.add(n, { [label.kind]: kinds(kind), [label.direction]: direction, [label.tenant]: tenant })
    }
  }

  return {
    call,
    stage: (part, us) => stage.record(us / 1e6, { [label.stage]: part }),
    egress: (domain, sizeBytes) => size.add(sizeBytes, { [label.domain]: domains(domain) }),
    egressBlocked: (reason) => blocked.add(1, { [label.reason]: reason }),
    authFailure: (reason) => failures.add(1, { [label.reason]: reason }),
  }
}

function ruleMeters(meter: Meter): Pick<Meters, 'policyHit' | 'shadow' | 'alert' | 'delivery'> {
  const hits = counter(meter, metric.policyHits, '{decision}')
  const shadows = counter(meter, metric.policyShadow, '{decision}')
  const alerts = counter(meter, metric.alerts, '{alert}')
  const deliveries = counter(meter, metric.deliveries, '{alert}')
  const [rules, sinks] = [folded(rulesMax), folded(50)]
  return {
    policyHit: (rule, decision) => hits.add(1, { [label.rule]: rules(rule), [label.decision]: decision }),
    shadow: (rule, decision, wouldBe) =>
      shadows.add(1, { [label.rule]: rules(rule), [label.decision]: decision, [label.wouldBe]: wouldBe }),
    alert: (rule, severity) => alerts.add(1, { [label.rule]: rules(rule), [label.severity]: severity }),
    delivery: (sink, result) => deliveries.add(1, { [label.sink]: sinks(sink), [label.result]: result }),
  }
}

function evidenceMeters(meter: Meter): Pick<Meters, 'committed' | 'record' | 'carried' | 'evidenceProblem'> {
  const commit = histogram(meter, metric.commit, stageS)
  const records = counter(meter, metric.evidenceRecords, '{record}')
  const carried = counter(meter, metric.busRecords, '{record}')
  const problems = counter(meter, metric.evidenceProblems, '{problem}')
  return {
    committed: (us) => commit.record(us / 1e6),
    record: (type) => records.add(1, { [label.type]: type }),
    carried: (lines) => carried.add(lines),
    evidenceProblem: (code) => problems.add(1, { [label.code]: code }),
  }
}

function reactionMeters(meter: Meter): Pick<Meters, 'detected' | 'enforced' | 'rollout'> {
  const detect = histogram(meter, metric.detect, reactionS)
  const enforce = histogram(meter, metric.enforce, reactionS)
  const rollouts = counter(meter, metric.rollouts, '{rollout}')
  const rules = folded(rulesMax)
  return {
    rollout: (step) => rollouts.add(1, { [label.result]: step }),
    detected: (rule, ms) => detect.record(ms / 1000, { [label.rule]: rules(rule) }),
    enforced: (kind, ms) => enforce.record(ms / 1000, { [label.kind]: kind }),
  }
}

function transportMeters(meter: Meter): Pick<Meters, 'certificate' | 'cut' | 'watchCertificates'> {
  const changes = counter(meter, metric.certificates, '{certificate}')
  const cuts = counter(meter, metric.cutConnections, '{connection}')
  const names = folded(certificatesMax)
  return {
    certificate: (name, result) => changes.add(1, { [label.certificate]: names(name), [label.result]: result }),
    cut: (reason) => cuts.add(1, { [label.reason]: reason }),
    watchCertificates(read) {
      const shown = new Set<string>()
      const by = (of: 'ageS' | 'expiryS') => () => {
        const now = read().map((one) => [names(one.name), one[of]] as const)
        for (const [name] of now) shown.add(name)
        // A series that is shown once goes on with its last value: what is not in use any more has none.
        return { ...Object.fromEntries([...shown].map((name) => [name, Number.NaN])), ...Object.fromEntries(now) }
      }
      gauge(meter, metric.certificateAge, label.certificate, by('ageS'))
      gauge(meter, metric.certificateExpiry, label.certificate, by('expiryS'))
    },
  }
}

function configMeters(meter: Meter): Pick<Meters, 'reload'> {
  const reloads = counter(meter, metric.configReloads, '{reload}')
  const fresh = meter.createGauge(metric.configInForce)
  fresh.record(1)
  return {
    reload(result) {
      reloads.add(1, { [label.result]: result })
      fresh.record(result === 'refused' ? 0 : 1)
    },
  }
}

function watch(meter: Meter, { switches, breakers, queues, rollouts, readiness, lagS, busLagS }: Gauges): void {
  gauge(meter, metric.switches, label.kind, switches)
  gauge(meter, metric.breaker, label.server, breakers)
  gauge(meter, metric.queueLength, label.server, queues)
  gauge(meter, metric.rolloutsOpen, label.kind, rollouts)
  gauge(meter, metric.readiness, label.part, readiness)
  gauge(meter, metric.detectorLag, label.consumer, lagS)
  if (busLagS) meter.createObservableGauge(metric.busLag, { unit: 's' }).addCallback((seen) => seen.observe(busLagS()))
}

function gauge(
  meter: Meter,
  name: string,
  by: string,
  read: (() => Readonly<Record<string, number>>) | undefined,
): void {
  if (!read) return
  meter.createObservableGauge(name).addCallback((seen) => {
    for (const [key, value] of Object.entries(read())) seen.observe(value, { [by]: key })
  })
}

const counter = (meter: Meter, name: string, unit: string): Counter => meter.createCounter(name, { unit })

const histogram = (meter: Meter, name: string, explicitBucketBoundaries: number[]): Histogram =>
  meter.createHistogram(name, { unit: 's', advice: { explicitBucketBoundaries } })
