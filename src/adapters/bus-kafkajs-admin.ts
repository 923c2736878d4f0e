import type * as kafkajs from 'kafkajs'
import type { SubscribeOptions, TopicPlan } from '../ports/bus.ts'

/** Somebody who only asks, for as long as it takes to ask. */
export async function withAdmin<Answer>(
  kafka: kafkajs.Kafka,
  ask: (admin: kafkajs.Admin) => Promise<Answer>,
): Promise<Answer> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await ask(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Makes the topics that are missing. */
export async function createTopics(admin: kafkajs.Admin, topics: readonly TopicPlan[]): Promise<void> {
  const there = new Set(await admin.listTopics())
  const missing = topics.filter(({ name }) => !there.has(name))
  if (missing.length === 0) return
  // Answers false, and does not reject, when somebody else was faster.
  await admin.createTopics({
    waitForLeaders: true,
    topics: missing.map(({ name, partitions, replicas, settings }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: replicas,
      configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
    })),
  })
}

/** Records that a group has not handled yet. Where it has never been, it begins with the oldest that is kept. */
export async function behind(admin: kafkajs.Admin, { group, topics }: SubscribeOptions): Promise<bigint> {
  const committed = await admin.fetchOffsets({ groupId: group, topics: [...topics] })
  const place = (topic: string, partition: number) => `${topic} ${partition}`
  const reached = new Map(
    committed.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => [place(topic, partition), BigInt(offset)] as const),
    ),
  )
  const parts = await Promise.all(
    topics.map(async (topic) => (await admin.fetchTopicOffsets(topic)).map((part) => ({ topic, ...part }))),
  )
  return parts.flat().reduce((sum, { topic, partition, low, high }) => {
    const [at, oldest, end] = [reached.get(place(topic, partition)) ?? -1n, BigInt(low), BigInt(high)]
    // What was deleted before it was handled is nothing to wait for; nor is what a topic had that was made anew.
    const from = at < oldest ? oldest : at
    return sum + (end > from ? end - from : 0n)
  }, 0n)
}
