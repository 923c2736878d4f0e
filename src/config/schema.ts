import { z } from 'zod'
import { Limits } from '../identity/directory.ts'
import { authSection, principalsSection, type AuthSection, type PrincipalSource } from './auth-section.ts'
import { busSection, type BusSection } from './bus-section.ts'
import {
  destination,
  name,
  notServed,
  oneOf,
  pathIn,
  port,
  publicUrlIn,
  secretIn,
  type Place,
  type SecretRef,
} from './fields.ts'
import { secretsSection, type SecretsSection } from './secrets-section.ts'
import {
  builtIn,
  detectorSection,
  egressSection,
  evidenceSection,
  servicesSection,
  sinkSection,
  telemetrySection,
  toolSection,
  type DetectorSection,
  type EgressSection,
  type EvidenceSection,
  type ServiceSection,
  type SinkSection,
  type TelemetrySection,
  type ToolSection,
} from './sections.ts'
import { tlsSection, type TlsSection } from './tls-section.ts'

export { builtIn, type SinkSection }

/** Everything configuration can say, with every default filled in. What is not listed is denied. */
export interface Config {
  /** `production` unless the file says otherwise. */
  readonly mode: 'development' | 'production'
  /** Host names and origins are served beside the loopback ones. */
  readonly listen: {
    readonly host: string
    readonly port: number
    readonly hosts: readonly string[]
    readonly origins: readonly string[]
    /** Where clients find `/mcp`, when something stands before the listener. */
    readonly publicUrl?: string
    readonly tls?: TlsSection
    /** Most connections at one time, and most of them from one address. All clients behind a proxy share its address. */
    readonly connections: { readonly max: number; readonly perAddress: number }
  }
  readonly admin: {
    readonly host: string
    readonly port: number
    readonly token?: SecretRef
    readonly hosts: readonly string[]
    readonly tls?: TlsSection
  }
  readonly auth: AuthSection
  readonly principals: readonly PrincipalSource[]
  /** Files, directories, `builtin`, and rules in place. */
  readonly policies: readonly (string | Readonly<Record<string, unknown>>)[]
  readonly tools: Readonly<Record<string, ToolSection>>
  /** By name; `builtin` is the bundled service API of both regions, in development only. */
  readonly services: typeof builtIn | Readonly<Record<string, ServiceSection>>
  readonly egress: EgressSection
  /** Ceilings of tenants; principals and tools carry their own. */
  readonly limits: { readonly tenants: Readonly<Record<string, Limits>> }
  /** A register in a file, or one behind HTTP with the gateway's credential there. */
  readonly tickets: { readonly file?: string; readonly url?: string; readonly token?: SecretRef }
  readonly evidence: EvidenceSection
  readonly bus: BusSection
  readonly state: { readonly kind: 'sqlite' }
  readonly detector: DetectorSection
  readonly alerts: { readonly sinks: readonly SinkSection[] }
  readonly telemetry: TelemetrySection
  readonly secrets: SecretsSection
  /** A `security.baseline.yaml`. */
  readonly baseline?: string
}

const places = z.int().min(1).max(65_535)

const connectionsSection = z
  .strictObject({ max: places.default(4_096), perAddress: places.default(1_024) })
  .prefault({})

const hostName = z.string().min(1).max(253)

/** The schema of the file. What this version does not serve is refused, never ignored. */
export function configSchema(place: Place): z.ZodType<Config> {
  return z.strictObject({
    mode: z.enum(['development', 'production']).default('production'),
    listen: z
      .strictObject({
        host: hostName.default('127.0.0.1'),
        port: port.default(8787),
        hosts: z.array(hostName).max(64).default([]),
        origins: z.array(z.string().max(512)).max(64).default([]),
        publicUrl: publicUrlIn(place).exactOptional(),
        tls: tlsSection(place).exactOptional(),
        connections: connectionsSection,
      })
      .prefault({}),
    admin: z
      .strictObject({
        host: hostName.default('127.0.0.1'),
        port: port.default(8788),
        token: secretIn(place).exactOptional(),
        hosts: z.array(hostName).max(64).default([]),
        tls: tlsSection(place).exactOptional(),
      })
      .prefault({}),
    auth: authSection(place).prefault({}),
    principals: principalsSection(place).prefault([]),
    policies: z
      .array(z.union([z.literal(builtIn), z.record(z.string(), z.unknown()), pathIn(place)]))
      .max(1_000)
      .default([builtIn]),
    dlp: z
      .strictObject({ modes: notServed('say it in a policy rule: `redact: [{ field, mode }]`.').exactOptional() })
      .exactOptional(),
    tools: z.record(z.string().regex(/^[\w.-]{1,128}$/), toolSection).default({}),
    services: servicesSection(place).prefault({}),
    upstreams: notServed('front another server with `sluicegate wrap` once it is there.').exactOptional(),
    catalog: notServed('tools are the built-in ones, pinned by the release.').exactOptional(),
    egress: egressSection,
    limits: z.strictObject({ tenants: z.record(name, Limits).default({}) }).prefault({}),
    tickets: z
      .strictObject({
        file: pathIn(place).exactOptional(),
        url: destination.exactOptional(),
        token: secretIn(place).exactOptional(),
      })
      .prefault({}),
    evidence: evidenceSection,
    notary: notServed('keep a checkpoint elsewhere and pass it to `evidence verify --anchor`.').exactOptional(),
    bus: busSection(place).prefault({ kind: 'file' }),
    state: z
      .strictObject({
        kind: oneOf(['sqlite'], {
          memory: 'state must survive a restart.',
          redis: 'one gateway keeps its state in sqlite.',
        }).default('sqlite'),
      })
      .prefault({}),
    detector: detectorSection(place),
    alerts: z
      .strictObject({
        sinks: z
          .array(sinkSection(place))
          .max(16)
          .default([{ kind: 'console' }]),
      })
      .prefault({}),
    siem: notServed('alerts reach a SIEM through a webhook or the jsonl sink.').exactOptional(),
    telemetry: telemetrySection(place),
    secrets: secretsSection(place),
    retention: notServed('nothing is deleted; remove sealed streams by hand once they are archived.').exactOptional(),
    baseline: pathIn(place).exactOptional(),
  })
}
