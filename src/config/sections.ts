import { z } from 'zod'
import { modes, type Mode } from '../detection/reaction.ts'
import { Limits } from '../identity/directory.ts'
import type { Guard } from '../limits/guard.ts'
import { destination, name, oneOf, pathIn, port, secretIn, type Place, type SecretRef } from './fields.ts'
import { guardSection, type GuardSection } from './guard-section.ts'
import { guarded, guardKeys } from './service-section.ts'
import { serviceTlsSection, type ServiceTlsSection } from './tls-section.ts'

/** Stands in `policies` and `detector.rules` for the rules that come with the product. */
export const builtIn = 'builtin'

export interface ToolSection {
  readonly enabled: boolean
  readonly costUsd?: number
  readonly limits?: Limits
  /** What 95 of 100 calls should not exceed, milliseconds. An objective to measure by; nothing is refused for it. */
  readonly p95Ms?: number
  /** Of `flag.set` alone. */
  readonly guard?: GuardSection
}

export interface ServiceSection {
  /** Base URL by backend region. */
  readonly regions: Readonly<Record<string, string>>
  /** The gateway's own credential. A caller's token never travels on. */
  readonly token?: SecretRef
  readonly tls?: ServiceTlsSection
  /** Written as keys of the section itself. */
  readonly guard: Guard
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
}

export interface DetectorSection {
  readonly mode: 'embedded'
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

const domain = z.string().min(1).max(253)

export const egressSection = z
  .strictObject({
    allow: z.array(domain).max(10_000).default([]),
    bulk: z.array(domain).max(10_000).default([]),
    block: z.array(domain).max(10_000).default([]),
    hosts: z.record(z.string(), port).default({}),
  })
  .prefault({})

export const toolSection = z.strictObject({
  enabled: z.boolean().default(true),
  costUsd: z.number().min(0).max(10_000).exactOptional(),
  limits: Limits.exactOptional(),
  p95Ms: z.int().min(1).max(60_000).exactOptional(),
  guard: guardSection.exactOptional(),
})

/** Not a union: of two alternatives a union would tell neither problem, nor where it is. */
export const servicesSection = (place: Place) =>
  z.unknown().transform((value, context): typeof builtIn | Readonly<Record<string, ServiceSection>> => {
    if (value === builtIn) return builtIn
    const read = z.record(name, serviceSection(place)).safeParse(value)
    if (read.success) return read.data
    for (const issue of read.error.issues) context.addIssue({ ...issue, input: undefined } as never)
    return z.NEVER
  })

/** One service. */
export const serviceSection = (place: Place) =>
  guarded(
    z.strictObject({
      regions: z.record(name, destination),
      token: secretIn(place).exactOptional(),
      tls: serviceTlsSection(place).exactOptional(),
      ...guardKeys,
    }),
  )

export const evidenceSection = z
  .strictObject({
    gateway: name.default('gateway'),
    deployment: name.default('sluicegate'),
    signing: z.enum(['record+checkpoint', 'checkpoint']).default('record+checkpoint'),
    onFailure: oneOf(['deny-all'], {
      'deny-writes': 'a call that cannot be recorded is refused, reads too.',
      'allow-reads-spool': 'a call that cannot be recorded is refused, reads too.',
    }).exactOptional(),
  })
  .prefault({})

export const detectorSection = (place: Place) =>
  z
    .strictObject({
      mode: oneOf(['embedded'], {
        external: 'the detector runs inside the gateway.',
        off: 'set detector.stages.default to off.',
      }).default('embedded'),
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

export const sinkSection = (place: Place) =>
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('console') }),
    z.strictObject({ kind: z.literal('jsonl'), path: pathIn(place) }),
    z.strictObject({ kind: z.literal('webhook'), url: destination, secret: secretIn(place).exactOptional() }),
  ])

export const telemetrySection = (place: Place) =>
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
