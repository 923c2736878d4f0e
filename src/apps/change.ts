import { basename } from 'node:path'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog, Receipt } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Meters } from '../telemetry/metrics.ts'
import { ownAlert } from './alerting.ts'
import type { EmbeddedDetector } from './detector.ts'
import { changeEntries } from './entries.ts'
import type { SwappableService } from './gateway-service.ts'
import type { GatewayOptions } from './options.ts'
import { reportTls } from './service-tls.ts'
import type { Transport } from './transport.ts'

/** A change of configuration that was not taken over. */
export interface RefusedChange {
  /** Digest of what was refused. */
  readonly digest: string
  /** Everything that is wrong with it, one line each. */
  readonly problems: readonly string[]
}

/** Puts other options in force while the gateway runs. */
export interface Changes {
  /** The options in force. */
  now(): GatewayOptions
  /**
   * Builds everything aside, writes down that it is loaded, and only then puts it in force, whole. Rejects, with what was in force
   * still in force, when it cannot be built or cannot be written down. One at a time.
   */
  change(next: GatewayOptions): Promise<void>
  /** What was read again is what is in force. */
  unchanged(): void
  /** Evidence, an alert and a line for operators: a change was refused and the old configuration is in force. As `record`. */
  refused(change: RefusedChange): Promise<boolean>
  /** The evidence alone, where it could not be written before. Never rejects: false when it is not written now, either. */
  record(change: RefusedChange): Promise<boolean>
}

export interface ChangesParts {
  readonly service: SwappableService
  readonly transport: Transport
  readonly detector: EmbeddedDetector
  readonly log: EvidenceLog
  readonly meters: Meters
  readonly clock: Clock
  readonly report: (line: JsonObject) => void
  readonly fault: (error: unknown) => void
}

export function changes(parts: ChangesParts): Changes {
  const { service, detector, log, meters, clock, report } = parts
  const unwritten = (error: unknown): undefined => {
    parts.fault(error)
  }
  const write = ({ digest, problems }: RefusedChange): Promise<Receipt | undefined> =>
    log.append(refusedEntry(service.options().configDigest, digest, problems)).catch(unwritten)
  /** It is in force: what fails from here on must not look as if it were not. */
  function changed(before: GatewayOptions, next: GatewayOptions): void {
    try {
      reportTls(next, parts.transport)
      meters.reload('loaded')
      report({ level: 'info', config: 'loaded', digest: next.configDigest, previous: before.configDigest })
      void closeSinks(detector, before, next)
    } catch (error) {
      parts.fault(error)
    }
  }

  return {
    now: () => service.options(),
    async change(next) {
      const before = service.options()
      const built = service.build(next)
      const judgeByNewRules = detector.prepare(next.detector)
      await appendTogether(log, changeEntries(before, next))
      // Nothing is awaited in between: no call and no record sees one without the other.
      judgeByNewRules()
      service.swap(built)
      changed(before, next)
    },
    unchanged() {
      meters.reload('unchanged')
      report({ level: 'info', config: 'unchanged', digest: service.options().configDigest })
    },
    async refused(change) {
      const { digest, problems } = change
      const inForce = service.options().configDigest
      meters.reload('refused')
      report({ level: 'error', config: 'refused', problems, digest, inForce })
      const receipt = await write(change)
      const alert = ownAlert({
        rule: 'config_refused',
        title: 'A changed configuration was refused',
        severity: 'high',
        summary: `A changed configuration was refused (problems: ${problems.length}); the old one is in force`,
        why: (problems[0] ?? 'It could not be used.').slice(0, 400),
        runbook: 'docs/runbooks/config-refused.md',
        entity: 'configuration',
        ...(receipt && { receipt }),
        atMs: clock.nowMs(),
      })
      void detector.tell(alert)
      return receipt !== undefined
    },
    record: async (change) => (await write(change)) !== undefined,
  }
}

/**
 * Asks for all of them in one turn, so that one flush takes them. The last one makes the others count: where the process dies
 * in between they stand for nothing, and where one cannot be written this rejects, once it is known what became of the rest.
 */
async function appendTogether(log: EvidenceLog, entries: readonly EvidenceEntry[]): Promise<void> {
  const appended = await Promise.allSettled(entries.map((entry) => log.append(entry)))
  for (const one of appended) if (one.status === 'rejected') throw one.reason
}

/** Most problems whose place is written down; the count says how many there were. */
const placesMax = 32

/** Where the problems are (`rules.yaml:8`, `evidence`), not what they say: a message may repeat what somebody wrote into the file. */
function refusedEntry(inForce: string, digest: string, problems: readonly string[]): EvidenceEntry {
  const places = problems.slice(0, placesMax).map((line) => basename(line.split(': ', 1)[0] ?? '').slice(0, 200))
  return { type: 'config.refused', ext: { digest, inForce, problems: problems.length, places } }
}

/** Alerts that are on their way to a sink which is no longer named still arrive. */
async function closeSinks(detector: EmbeddedDetector, before: GatewayOptions, next: GatewayOptions): Promise<void> {
  await detector.settled()
  const left = before.sinks.filter((sink) => !next.sinks.includes(sink))
  await Promise.allSettled(left.map((sink) => sink.close()))
}
