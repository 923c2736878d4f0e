import { setTimeout as wait } from 'node:timers/promises'
import type * as kafkajs from 'kafkajs'
import type { Delivered, SubscribeOptions, Subscription } from '../ports/bus.ts'
import { behind, withAdmin } from './bus-kafkajs-admin.ts'
import {
  backoffMs,
  fetchBytesMax,
  handledAtOnceMax,
  patiently,
  sessionMs,
  type KafkaSettings,
} from './kafka-settings.ts'

export interface KafkajsParts {
  readonly kafka: kafkajs.Kafka
  readonly report: KafkaSettings['report']
}

/**
 * A member of a group that is built anew whenever the driver gives up, which it does on its own for errors that it
 * thinks nobody can mend. Rejects when the first one cannot be built.
 */
export async function kafkajsSubscription(parts: KafkajsParts, asked: SubscribeOptions): Promise<Subscription> {
  const { kafka, report } = parts
  const topics = asked.topics.map((topic) => ({ topic }))
  const closing = new AbortController()
  let paused = false
  let problem: string | undefined
  let rebuilding: Promise<void> = Promise.resolve()
  let consumer = await patiently(joined)

  async function joined(): Promise<kafkajs.Consumer> {
    const member = kafka.consumer({
      groupId: asked.group,
      sessionTimeout: sessionMs,
      heartbeatInterval: sessionMs / 4,
      maxBytesPerPartition: fetchBytesMax,
      maxWaitTimeInMs: 100,
      allowAutoTopicCreation: false,
      // Its own way of starting again forgets what is paused, and may come after it was closed: `rebuild` is the only way back.
      retry: { retries: 5, restartOnFailure: async () => false },
    })
    let runs = false
    let crashed: Error | undefined
    member.on(member.events.CRASH, ({ payload: { error } }) => {
      problem = error.message
      report({ level: 'warn', kafka: `group ${asked.group}: ${error.message}` })
      if (runs) rebuilding = rebuild(member)
      else crashed = error
    })
    member.on(member.events.GROUP_JOIN, () => (problem = undefined))
    try {
      await member.connect()
      await member.subscribe({ topics: [...asked.topics], fromBeginning: true })
      await member.run({ eachBatchAutoResolve: false, eachBatch })
      if (paused) member.pause(topics)
      if (crashed) throw crashed
      runs = true
      return member
    } catch (error) {
      await member.disconnect().catch(() => undefined)
      throw error
    }
  }

  async function rebuild(old: kafkajs.Consumer): Promise<void> {
    await old.disconnect().catch(() => undefined)
    for (let failures = 0; !closing.signal.aborted; failures++) {
      try {
        consumer = await joined()
        return
      } catch (error) {
        problem = (error as Error).message
        await wait(backoffMs(failures), undefined, { signal: closing.signal }).catch(() => undefined)
      }
    }
  }

  /** What is left when this returns early is fetched again, from the first record that was not resolved. */
  async function eachBatch(payload: kafkajs.EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, isRunning, isStale } = payload
    const stopped = () => paused || closing.signal.aborted || !isRunning() || isStale()
    for (let from = 0, failures = 0; from < batch.messages.length && !stopped();) {
      const some = batch.messages.slice(from, from + handledAtOnceMax)
      try {
        await beating(heartbeat, () => asked.handle(some.map((message) => delivered(batch, message))))
      } catch (error) {
        report({ level: 'warn', kafka: `group ${asked.group}: records are not handled: ${(error as Error).message}` })
        await waiting(backoffMs(failures++), heartbeat, stopped)
        continue
      }
      ;[from, failures] = [from + some.length, 0]
      resolveOffset(some.at(-1)!.offset)
      await heartbeat()
      await commitOffsetsIfNecessary()
    }
  }

  /** A member that is being built anew takes no orders; it is asked again when it has joined. */
  function pausing(wanted: boolean): void {
    paused = wanted
    try {
      if (wanted) consumer.pause(topics)
      else consumer.resume(topics)
    } catch (error) {
      if (problem === undefined && !closing.signal.aborted) throw error
    }
  }

  return {
    pause: () => pausing(true),
    resume: () => pausing(false),
    lag: () => withAdmin(kafka, (admin) => behind(admin, asked)),
    problem: () => problem,
    async close() {
      closing.abort()
      await rebuilding
      await consumer.disconnect()
    },
  }
}

/** Stays in the group for as long as this takes. */
async function beating(heartbeat: () => Promise<void>, work: () => Promise<void>): Promise<void> {
  // A beat that fails is told by the next one that is waited for.
  const timer = setInterval(() => void heartbeat().catch(() => undefined), sessionMs / 4)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
}

/** Waits without leaving the group. */
async function waiting(ms: number, heartbeat: () => Promise<void>, stopped: () => boolean): Promise<void> {
  for (let left = ms; left > 0 && !stopped(); left -= 500) {
    await wait(Math.min(left, 500))
    await heartbeat()
  }
}

function delivered({ topic, partition }: kafkajs.Batch, message: kafkajs.KafkaMessage): Delivered {
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    key: message.key?.toString() ?? '',
    value: message.value ?? Buffer.alloc(0),
    headers: Object.fromEntries(
      Object.entries(message.headers ?? {}).map(([name, value]) => [name, value === undefined ? '' : String(value)]),
    ),
  }
}
