import { z } from 'zod'
import { pathIn, secretIn, type Place, type SecretRef } from './fields.ts'

/** Where evidence is carried on to. Read once, at start. */
export type BusSection = { readonly kind: 'file' } | KafkaSection

export interface KafkaSection {
  readonly kind: 'kafka'
  /** Which client speaks to the cluster; it must be installed. */
  readonly driver: 'kafkajs' | 'platformatic'
  /** `host:port` each. */
  readonly brokers: readonly string[]
  /** Absent in development alone: then nothing is encrypted. Files are PEM. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: SecretRef
  }
  /** Make the topics that are missing. Otherwise the operator does. */
  readonly createTopics: boolean
  readonly partitions: number
  readonly replicas: number
}

const broker = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]*:[1-9]\d{0,4}$/, 'must be "host:port"')

/** The schema of `bus`. In production a cluster is spoken to over TLS, and keeps three copies. */
export function busSection(place: Place): z.ZodType<BusSection> {
  const isProduction = place.mode === 'production'
  const kafka = z
    .strictObject({
      kind: z.literal('kafka'),
      driver: z.enum(['kafkajs', 'platformatic']).default('kafkajs'),
      brokers: z.array(broker).min(1).max(64),
      tls: z
        .strictObject({
          ca: pathIn(place).exactOptional(),
          cert: pathIn(place).exactOptional(),
          key: pathIn(place).exactOptional(),
        })
        .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'needs cert and key, or neither')
        .exactOptional(),
      sasl: z
        .strictObject({
          mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
          username: z.string().min(1).max(256),
          password: secretIn(place),
        })
        .exactOptional(),
      createTopics: z.boolean().default(!isProduction),
      partitions: z
        .int()
        .min(1)
        .max(1_000)
        .default(isProduction ? 12 : 3),
      replicas: z
        .int()
        .min(1)
        .max(32)
        .default(isProduction ? 3 : 1),
    })
    .refine(({ tls }) => tls !== undefined || !isProduction, {
      path: ['tls'],
      message:
        'is missing: evidence goes nowhere unencrypted in production ("tls: {}" trusts the system\'s authorities)',
    })
  return z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('file') }), kafka])
}
