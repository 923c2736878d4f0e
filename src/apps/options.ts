import type { ToolNames } from '../control/aim.ts'
import type { Mode } from '../detection/reaction.ts'
import type { RuleSet } from '../detection/check.ts'
import type { Lists } from '../detection/select.ts'
import type { ElevationAsk } from '../identity/elevation.ts'
import type { PrincipalEntry, Limits } from '../identity/directory.ts'
import type { LocalIdentity } from '../identity/identify.ts'
import type { ReplayMode } from '../identity/replay.ts'
import type { TrustedIssuer } from '../identity/token.ts'
import type { Guard } from '../limits/guard.ts'
import type { GuardRule } from '../limits/rollout.ts'
import type { Policy } from '../policy/verdict.ts'
import type { AlertSink } from '../ports/alert-sink.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Secret } from '../ports/secret.ts'
import type { TicketRegister } from '../ports/tickets.ts'
import type { Catalog } from '../tools/catalog.ts'
import type { EgressLists } from '../tools/egress.ts'
import type { Signing } from '../evidence/genesis.ts'
import type { ObserverOptions } from '../telemetry/observe.ts'
import type { ConfiguredBus } from './open-bus.ts'
import type { Secrets } from './secrets.ts'
import type { ReportedTls } from './reported-tls.ts'

/** Everything a gateway is made of, resolved: no path to read, no reference to follow, nothing to guess. */
export interface GatewayOptions {
  readonly mode: 'development' | 'production'
  /** The data directory; this process owns it. */
  readonly data: string
  /** Names this gateway's streams. */
  readonly gateway: string
  readonly deployment: string
  readonly signing: Signing
  readonly state: 'memory' | 'sqlite'
  readonly catalog: Catalog
  /** Every tool there is, also those that are switched off: an order for one holds once it is switched on. */
  readonly toolNames: ToolNames
  readonly policy: Policy
  readonly identity: {
    readonly issuers: readonly TrustedIssuer[]
    readonly audience: string
    /** Most seconds an issuer's clock may be ahead of ours. */
    readonly skewSec: number
    /** What a token may be used for after its first use. */
    readonly replay: ReplayMode
    readonly principals: readonly PrincipalEntry[]
    /** Who a local process is that shows no token; development only. */
    readonly local?: LocalIdentity
  }
  /** Rights that configuration asks for, for the person it names to approve. */
  readonly elevations: readonly ElevationAsk[]
  readonly regions: {
    /** Region of a tenant's people, e.g. `acme` to `US`. */
    readonly tenants: Readonly<Record<string, string>>
    /** Backend that serves a region's people, e.g. `EU` to `eu-west`. */
    readonly backends: Readonly<Record<string, string>>
  }
  readonly services: {
    /** Base URLs: service, then backend region. */
    readonly urls: Readonly<Record<string, Readonly<Record<string, string>>>>
    /** The gateway's own credential at a service. */
    readonly credential: (service: string) => string
    /** What stands before each service. */
    readonly guards: Readonly<Record<string, Guard>>
    /** What is shown to each service and trusted of it; read again when its files change. */
    readonly tls: Readonly<Record<string, ReportedTls>>
  }
  readonly egress: EgressLists & { readonly bulk: readonly string[]; readonly block: readonly string[] }
  readonly limits: {
    readonly tenants: Readonly<Record<string, Limits>>
    readonly tools: Readonly<Record<string, Limits>>
  }
  /** P95 objectives by tool, seconds. */
  readonly objectives: Readonly<Record<string, number>>
  readonly tickets: TicketRegister
  /** How raises of flags are watched; absent when they are not. */
  readonly rollouts?: GuardRule
  readonly detector: {
    readonly rules: RuleSet
    /** Lists the rules were opened with; `never` names them too. */
    readonly lists: Lists
    readonly stages: { readonly default: Mode; readonly rules: Readonly<Record<string, Mode>> }
    /** A detector snapshot to begin with, already verified. */
    readonly baseline?: JsonObject
  }
  readonly sinks: readonly AlertSink[]
  /** Opens the bus that evidence is carried to; absent when it stays in its files. */
  readonly openBus?: () => Promise<ConfiguredBus>
  readonly telemetry: Pick<ObserverOptions, 'otlp' | 'exporter' | 'traceTrust' | 'spanNaming' | 'environment'> & {
    /** Keep a copy of every span in the data directory, so that bundles can hold them. */
    readonly spansFile: boolean
  }
  /** Bearer token of the admin listener; the data directory's own when absent. */
  readonly adminToken?: Secret
  /** Every secret in use. The gateway closes them. */
  readonly secrets: Secrets
  /** Digest of the configuration, for evidence. */
  readonly configDigest: string
  /** Where operators read one JSON line per refusal and fault. */
  readonly report: (line: JsonObject) => void
}
