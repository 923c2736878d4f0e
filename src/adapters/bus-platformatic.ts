import type * as platformatic from '@platformatic/kafka'
import { UnknownTopic, type Bus, type BusRecord } from '../ports/bus.ts'
import { createTopics, said, withAdmin } from './bus-platformatic-admin.ts'
import { platformaticSubscription } from './bus-platformatic-subscription.ts'
import { driver, patienceMs, type KafkaSettings } from './kafka-settings.ts'

/** The bus over @platformatic/kafka. Rejects when the driver is not installed; connects when it is first used. */
export async function platformaticBus(settings: KafkaSettings): Promise<Bus> {
  const module = await driver('@platformatic/kafka', () => import('@platformatic/kafka'))
  const base = options(settings)
  // Who publishes decides for how long to try.
  const producer = new module.Producer({
    ...base,
    requestTimeout: patienceMs,
    retries: 0,
    partitioner: module.compatibilityPartitioner,
  })

  return {
    ensure: (topics) => withAdmin(new module.Admin(base), (admin) => createTopics(admin, topics)),
    async publish(records) {
      if (records.length === 0) return
      const messages = records.map(message)
      await producer
        .send({ messages, acks: -1, compression: 'zstd', autocreateTopics: false })
        .catch((error: unknown) => {
          // prettier-ignore
          throw named(error, records)
        })
    },
    subscribe: (asked) => platformaticSubscription({ module, base, report: settings.report }, asked),
    close: () => producer.close(),
  }
}

function options({ brokers, clientId, tls, sasl }: KafkaSettings): platformatic.BaseOptions {
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    connectTimeout: patienceMs,
    timeout: patienceMs,
    retries: 5,
    retryDelay: 250,
    autocreateTopics: false,
    ...(tls && { tls: { minVersion: 'TLSv1.2', ...tls } }),
    ...(sasl && { sasl: { ...sasl, mechanism: saslNames[sasl.mechanism] } }),
  }
}

const saslNames = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const

function message({ topic, key, value, headers }: BusRecord): platformatic.MessageToProduce {
  const pairs = Object.entries(headers).map(([name, said]) => [Buffer.from(name), Buffer.from(said)] as const)
  return { topic, key: Buffer.from(key), value, headers: new Map(pairs) }
}

/** The driver looks topics up before it sends, and names the missing one in words alone. */
function named(error: unknown, records: readonly BusRecord[]): unknown {
  const missing = records.find(({ topic }) => (error as Error).message === `Unknown topic ${topic}.`)
  if (missing) return new UnknownTopic(missing.topic)
  return said(error, 'UNKNOWN_TOPIC_OR_PARTITION') && records[0] ? new UnknownTopic(records[0].topic) : error
}
