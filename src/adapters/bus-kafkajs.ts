import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import type * as kafkajs from 'kafkajs'
import { UnknownTopic, type Bus, type BusRecord } from '../ports/bus.ts'
import { createTopics, withAdmin } from './bus-kafkajs-admin.ts'
import { kafkajsSubscription } from './bus-kafkajs-subscription.ts'
import { driver, patienceMs, type KafkaSettings } from './kafka-settings.ts'

/** The driver has gzip alone; Node brings zstd. */
const zstd = { compress: promisify(zstdCompress), decompress: promisify(zstdDecompress) }

/** The bus over kafkajs. Rejects when the driver is not installed; connects when it is first used. */
export async function kafkajsBus(settings: KafkaSettings): Promise<Bus> {
  // CommonJS, whose types do not say that it arrives as the default export.
  const loaded = await driver('kafkajs', () => import('kafkajs') as Promise<unknown>)
  const { default: module } = loaded as { readonly default: typeof kafkajs }
  module.CompressionCodecs[module.CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: { readonly buffer: Buffer }) => zstd.compress(buffer),
    decompress: (buffer: Buffer) => zstd.decompress(buffer),
  })
  silenceNegativeTimeouts()
  const kafka = (retries: number) => new module.Kafka({ ...options(module, settings), retry: { retries } })
  const asking = kafka(5)
  // Who publishes decides for how long to try.
  const producer = kafka(0).producer({
    createPartitioner: module.Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
    maxInFlightRequests: 1,
  })
  let connected: Promise<void> | undefined
  const connect = () =>
    (connected ??= producer.connect().catch((error: unknown) => {
      connected = undefined
      throw error
    }))

  return {
    ensure: (topics) => withAdmin(asking, (admin) => createTopics(admin, topics)),
    async publish(records) {
      if (records.length === 0) return
      await connect()
      const compression = module.CompressionTypes.ZSTD
      await producer
        .sendBatch({ acks: -1, timeout: patienceMs, compression, topicMessages: byTopic(records) })
        .catch((error: unknown) => {
          // prettier-ignore
          throw named(error, records)
        })
    },
    subscribe: (asked) => kafkajsSubscription({ kafka: asking, report: settings.report }, asked),
    async close() {
      await producer.disconnect()
    },
  }
}

function options(module: typeof kafkajs, settings: KafkaSettings): kafkajs.KafkaConfig {
  const { brokers, clientId, tls, sasl, report } = settings
  const { ERROR, WARN } = module.logLevel
  return {
    brokers: [...brokers],
    clientId,
    connectionTimeout: patienceMs,
    authenticationTimeout: patienceMs,
    requestTimeout: patienceMs,
    ...(tls && { ssl: { minVersion: 'TLSv1.2', ...tls } }),
    ...(sasl && { sasl: sasl as kafkajs.SASLOptions }),
    logLevel: WARN,
    // The driver's own way of logging writes to stdout, which belongs to MCP.
    logCreator:
      () =>
      ({ level, log, namespace }) =>
        report({ level: level === ERROR ? 'error' : 'warn', kafka: `${namespace}: ${log.message}` }),
  }
}

function byTopic(records: readonly BusRecord[]): kafkajs.TopicMessages[] {
  return [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, some]) => ({
    topic,
    messages: some.map(({ key, value, headers }) => ({ key, value, headers: { ...headers } })),
  }))
}

function named(error: unknown, records: readonly BusRecord[]): unknown {
  const { cause } = error as { readonly cause?: { readonly type?: string } }
  return cause?.type === 'UNKNOWN_TOPIC_OR_PARTITION' && records[0] ? new UnknownTopic(records[0].topic) : error
}

let silenced = false

/** The driver asks for time-outs that are already over, and Node warns of each (tulios/kafkajs#1751). Nothing else is kept quiet. */
function silenceNegativeTimeouts(): void {
  if (silenced) return
  silenced = true
  const warn = process.emitWarning.bind(process) as (...said: readonly unknown[]) => void
  process.emitWarning = (...said: readonly unknown[]) => {
    if (said[1] !== 'TimeoutNegativeWarning' || !(new Error().stack ?? '').includes('kafkajs')) warn(...said)
  }
}
