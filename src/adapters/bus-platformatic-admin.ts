import { setTimeout as wait } from 'node:timers/promises'
import type * as platformatic from '@platformatic/kafka'
import type { SubscribeOptions, TopicPlan } from '../ports/bus.ts'

/** Somebody who only asks, for as long as it takes to ask. */
export async function withAdmin<Answer>(
  admin: platformatic.Admin,
  ask: (admin: platformatic.Admin) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await ask(admin)
  } finally {
    await admin.close()
  }
}

/** Times a new topic is asked for whether it serves, a tenth of a second apart. */
const asksMax = 100

/** Makes the topics that are missing, and resolves when their leaders answer. */
export async function createTopics(admin: platformatic.Admin, topics: readonly TopicPlan[]): Promise<void> {
  const there = new Set(await admin.listTopics())
  const missing = topics.filter(({ name }) => !there.has(name))
  for (const { name, partitions, replicas, settings } of missing) {
    const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
    await admin.createTopics({ topics: [name], partitions, replicas, configs }).catch((error: unknown) => {
      // Somebody else was faster.
      if (!said(error, 'TOPIC_ALREADY_EXISTS')) throw error
    })
  }
  for (const { name } of missing) await serves(admin, name)
}

async function serves(admin: platformatic.Admin, topic: string): Promise<void> {
  for (let asks = 1; ; asks++)
    try {
      await ends(admin, await places(admin, [topic]), latest)
      return
    } catch (error) {
      if (asks === asksMax) throw error
      await wait(100)
    }
}

/** True when this is what the broker said, however deep the driver wrapped it. */
export function said(error: unknown, apiId: string): boolean {
  if (!(error instanceof Error)) return false
  if ((error as { readonly apiId?: string }).apiId === apiId) return true
  const within = error instanceof AggregateError ? (error.errors as readonly unknown[]) : []
  return [...within, error.cause].some((inner) => said(inner, apiId))
}

/** Kafka's names of both ends of a partition. */
const [earliest, latest] = [-2n, -1n]

/** Records that a group has not handled yet. Where it has never been, it begins with the oldest that is kept. */
export async function behind(admin: platformatic.Admin, { group, topics }: SubscribeOptions): Promise<bigint> {
  const all = await places(admin, topics)
  const [lows, highs, [asked]] = await Promise.all([
    ends(admin, all, earliest),
    ends(admin, all, latest),
    admin.listConsumerGroupOffsets({ groups: [{ groupId: group, topics: [...all] }] }),
  ])
  const reached: ReadonlyMap<string, bigint> = new Map(
    (asked?.topics ?? []).flatMap(({ name, partitions }) =>
      partitions.map((one) => [`${name} ${one.partitionIndex}`, one.committedOffset] as const),
    ),
  )
  return [...highs].reduce((sum, [place, high]) => {
    const [at, oldest] = [reached.get(place) ?? -1n, lows.get(place) ?? 0n]
    // What was deleted before it was handled is nothing to wait for; nor is what a topic had that was made anew.
    const from = at < oldest ? oldest : at
    return sum + (high > from ? high - from : 0n)
  }, 0n)
}

interface Places {
  readonly name: string
  readonly partitionIndexes: number[]
}

async function places(admin: platformatic.Admin, topics: readonly string[]): Promise<readonly Places[]> {
  const { topics: known } = await admin.metadata({ topics: [...topics], forceUpdate: true })
  return [...known].map(([name, { partitionsCount }]) => ({
    name,
    partitionIndexes: Array.from({ length: partitionsCount }, (_, index) => index),
  }))
}

/** One end of each partition, by topic and number. */
async function ends(
  admin: platformatic.Admin,
  all: readonly Places[],
  timestamp: bigint,
): Promise<ReadonlyMap<string, bigint>> {
  const answer = await admin.listOffsets({
    topics: all.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, timestamp })),
    })),
  })
  return new Map(
    answer.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, offset }) => [`${name} ${partitionIndex}`, offset] as const),
    ),
  )
}
