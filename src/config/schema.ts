import { z } from 'zod'
import { builtInKinds } from '../dlp/kinds.ts'
import type { Kind, Mode as Masking } from '../dlp/finding.ts'
import { modes, type Mode } from '../detection/reaction.ts'
import { Limits } from '../identity/directory.ts'
import { authSection, principalsSection, type AuthSection, type PrincipalSource } from './auth-section.ts'
import { destination, name, notServed, oneOf, pathIn, port, secretIn, type Place, type SecretRef } from './fields.ts'

/** Stands in `policies` and `detector.rules` for the rules that come with the product. */
export const builtIn = 'builtin'

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
  }
  readonly admin: { readonly host: string; readonly port: number; readonly token?: SecretRef }
  readonly auth: AuthSection
  readonly principals: readonly PrincipalSource[]
  /** Files, directories, `builtin`, and rules in place. */
  readonly policies: readonly (string | Readonly<Record<string, unknown>>)[]
  /** What becomes of a kind of data where no rule speaks. */
  readonly dlp: { readonly modes: Readonly<Record<Kind, Masking | 'pass'>> }
  readonly tools: Readonly<Record<string, ToolSection>>
  readonly services: Readonly<Record<string, ServiceSection>>
  readonly egress: EgressSection
  /** Ceilings of tenants; principals and tools carry their own. */
  readonly limits: { readonly tenants: Readonly<Record<string, Limits>> }
  readonly tickets: { readonly file?: string }
  readonly evidence: EvidenceSection
  readonly bus: { readonly kind: 'file' }
  readonly state: { readonly kind: 'memory' | 'sqlite' }
  readonly detector: DetectorSection
  readonly alerts: { readonly sinks: readonly SinkSection[] }
  readonly telemetry: TelemetrySection
  readonly secrets: { readonly provider: 'file' }
  /** A `security.baseline.yaml`. */
  readonly baseline?: string
}

export interface ToolSection {
  readonly enabled: boolean
  readonly costUsd?: number
  readonly limits?: Limits
}

export interface ServiceSection {
  /** Base URL by backend region. */
  readonly regions: Readonly<Record<string, string>>
  /** The gateway's own credential. A caller's token never travels on. */
  readonly token?: SecretRef
}

export interface EgressSection {
  /** Domains that may be called; `*.` stands for every name below. */
  readonly allow: readonly string[]
  /** Those of them that are contracted for large transfers. */
  readonly bulk: readonly string[]
  readonly block: readonly string[]
  /** Exact name to loopback port; development only. */
  readonly hosts: Readonly<Record<string, number>>
}

export interface EvidenceSection {
  /** Name of this gateway, unique in its deployment. */
  readonly gateway: string
  readonly deployment: string
  readonly signing: 'record+checkpoint' | 'checkpoint'
  readonly segmentSizeBytes: number
}

export interface DetectorSection {
  readonly mode: 'embedded' | 'off'
  readonly rules: readonly string[]
  /** How far each rule may go today. */
  readonly stages: { readonly default: Mode; readonly rules: Readonly<Record<string, Mode>> }
  /** What is normal, learned before. */
  readonly baseline?: string
  /** Named lists that rules refer to, e.g. `canaries`. */
  readonly lists: Readonly<Record<string, readonly string[]>>
}

export type SinkSection =
  | { readonly kind: 'console' }
  | { readonly kind: 'jsonl'; readonly path: string }
  | { readonly kind: 'webhook'; readonly url: string; readonly secret?: SecretRef }

export interface TelemetrySection {
  readonly otlp?: { readonly url: string; readonly headers: Readonly<Record<string, SecretRef>> }
  /** Keep a local copy of every span in the data directory, so that bundles can hold them. */
  readonly spansFile: boolean
  readonly traceTrust: 'parent' | 'link'
  readonly spanNaming: 'documents' | 'semconv'
  readonly environment?: string
}

const hostName = z.string().min(1).max(253)
const domain = z.string().min(1).max(253)

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
        tls: notServed('put a TLS proxy in front of the loopback listener.').exactOptional(),
      })
      .prefault({}),
    admin: z
      .strictObject({
        host: hostName.default('127.0.0.1'),
        port: port.default(8788),
        token: secretIn(place).exactOptional(),
      })
      .prefault({}),
    auth: authSection(place).prefault({}),
    principals: principalsSection(place).prefault([]),
    policies: z
      .array(z.union([z.literal(builtIn), z.record(z.string(), z.unknown()), pathIn(place)]))
      .max(1_000)
      .default([builtIn]),
    dlp: z
      .strictObject({
        modes: z.partialRecord(kind, z.enum(['mask', 'partial', 'hash', 'drop', 'block', 'pass'])).default({}),
      })
      .prefault({}),
    tools: z.record(z.string().regex(/^[\w.-]{1,128}$/), toolSection).default({}),
    services: z.record(name, serviceSection(place)).default({}),
    upstreams: notServed('front another server with `sluicegate wrap` once it is there.').exactOptional(),
    catalog: notServed('tools are the built-in ones, pinned by the release.').exactOptional(),
    egress: z
      .strictObject({
        allow: z.array(domain).max(10_000).default([]),
        bulk: z.array(domain).max(10_000).default([]),
        block: z.array(domain).max(10_000).default([]),
        hosts: z.record(z.string(), port).default({}),
      })
      .prefault({}),
    limits: z.strictObject({ tenants: z.record(name, Limits).default({}) }).prefault({}),
    tickets: z
      .strictObject({
        file: pathIn(place).exactOptional(),
        url: notServed('use tickets.file, a register in a file.').exactOptional(),
      })
      .prefault({}),
    evidence: evidenceSection,
    notary: notServed('keep a checkpoint elsewhere and pass it to `evidence verify --anchor`.').exactOptional(),
    bus: z
      .strictObject({ kind: oneOf(['file'], { kafka: 'the detector follows the file log.' }).default('file') })
      .prefault({}),
    state: z
      .strictObject({
        kind: oneOf(['sqlite', 'memory'], { redis: 'one gateway keeps its state in sqlite.' }).default('sqlite'),
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
    secrets: z
      .strictObject({
        provider: oneOf(['file'], {
          vault: 'let the Vault agent write files.',
          kms: 'use files, and vault: later.',
        }).default('file'),
      })
      .prefault({}),
    retention: notServed('nothing is deleted; remove sealed streams by hand once they are archived.').exactOptional(),
    baseline: pathIn(place).exactOptional(),
  }) as unknown as z.ZodType<Config>
}

const kind = z.enum(builtInKinds as [Kind, ...Kind[]])

const toolSection = z.strictObject({
  enabled: z.boolean().default(true),
  costUsd: z.number().min(0).max(10_000).exactOptional(),
  limits: Limits.exactOptional(),
})

const serviceSection = (place: Place) =>
  z.strictObject({ regions: z.record(name, destination), token: secretIn(place).exactOptional() })

const evidenceSection = z
  .strictObject({
    gateway: name.default('gateway'),
    deployment: name.default('sluicegate'),
    signing: z.enum(['record+checkpoint', 'checkpoint']).default('record+checkpoint'),
    segmentSizeBytes: z.int().min(1_048_576).max(1_073_741_824).default(67_108_864),
    onFailure: oneOf(['deny-all'], {
      'deny-writes': 'a call that cannot be recorded is refused, reads too.',
      'allow-reads-spool': 'a call that cannot be recorded is refused, reads too.',
    }).exactOptional(),
  })
  .prefault({})

const detectorSection = (place: Place) =>
  z
    .strictObject({
      mode: oneOf(['embedded', 'off'], { external: 'the detector runs inside the gateway.' }).default('embedded'),
      rules: z
        .array(z.union([z.literal(builtIn), pathIn(place)]))
        .max(1_000)
        .default([builtIn]),
      stages: z
        .strictObject({
          default: z.enum(modes).default('shadow'),
          rules: z.record(z.string(), z.enum(modes)).default({}),
        })
        .prefault({}),
      baseline: pathIn(place).exactOptional(),
      lists: z.record(z.string(), z.array(z.string().max(512)).max(10_000)).default({}),
    })
    .prefault({})

const sinkSection = (place: Place) =>
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('console') }),
    z.strictObject({ kind: z.literal('jsonl'), path: pathIn(place) }),
    z.strictObject({ kind: z.literal('webhook'), url: destination, secret: secretIn(place).exactOptional() }),
  ])

const telemetrySection = (place: Place) =>
  z
    .strictObject({
      otlp: z
        .strictObject({
          url: destination,
          headers: z.record(z.string().regex(/^[\w-]+$/), secretIn(place)).default({}),
        })
        .exactOptional(),
      spansFile: z.boolean().default(true),
      traceTrust: z.enum(['parent', 'link']).default('parent'),
      spanNaming: z.enum(['documents', 'semconv']).default('documents'),
      environment: name.exactOptional(),
    })
    .prefault({})
