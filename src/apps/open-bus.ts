import { readFile } from 'node:fs/promises'
import { kafkajsBus } from '../adapters/bus-kafkajs.ts'
import { platformaticBus } from '../adapters/bus-platformatic.ts'
import type { KafkaSettings } from '../adapters/kafka-settings.ts'
import type { KafkaSection } from '../config/bus-section.ts'
import { evidenceTopics } from '../evidence/ship.ts'
import type { Bus, TopicPlan } from '../ports/bus.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Secret } from '../ports/secret.ts'

/** A bus as configured: evidence is carried to it. */
export interface ConfiguredBus {
  readonly bus: Bus
  /** Topics to make before the first record. */
  readonly topics: readonly TopicPlan[]
}

export interface BusParts {
  readonly section: KafkaSection
  readonly gateway: string
  /** Of `sasl`. */
  readonly password?: Secret
  readonly report: (line: JsonObject) => void
}

/** Opens the driver; connects to nothing yet. Rejects when the driver is not installed or a file cannot be read. */
export async function openBus({ section, gateway, password, report }: BusParts): Promise<ConfiguredBus> {
  const { driver, brokers, tls, sasl, createTopics, partitions, replicas } = section
  const settings: KafkaSettings = {
    brokers,
    clientId: `sluicegate-${gateway}`,
    ...(tls && { tls: await pemOf(tls) }),
    ...(sasl && password && { sasl: { ...sasl, password: password.current() } }),
    report,
  }
  const bus = await (driver === 'kafkajs' ? kafkajsBus(settings) : platformaticBus(settings))
  return { bus, topics: createTopics ? evidenceTopics(partitions, replicas) : [] }
}

/** Files by what they hold; nothing where none is named. */
async function pemOf(files: NonNullable<KafkaSection['tls']>): Promise<NonNullable<KafkaSettings['tls']>> {
  const read = Object.entries(files).map(async ([name, file]) => [name, await readFile(file, 'utf8')] as const)
  return Object.fromEntries(await Promise.all(read))
}
