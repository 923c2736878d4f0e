import { setTimeout as wait } from 'node:timers/promises'
import type * as platformatic from '@platformatic/kafka'
import type { Delivered, SubscribeOptions, Subscription } from '../ports/bus.ts'
import { behind, withAdmin } from './bus-platformatic-admin.ts'
import { backoffMs, fetchBytesMax, handledAtOnceMax, sessionMs, type KafkaSettings } from './kafka-settings.ts'

export interface PlatformaticParts {
  readonly module: typeof platformatic
  readonly base: platformatic.BaseOptions
  readonly report: KafkaSettings['report']
}

interface Member {
  readonly consumer: platformatic.Consumer
  readonly stream: platformatic.MessagesStream<Buffer, Buffer, Buffer, Buffer>
}

/**
 * A member of a group that is built anew whenever its stream ends, which it does when a commit comes too late or a
 * broker does not answer. Rejects when the first one cannot be built.
 */
export async function platformaticSubscription(
  parts: PlatformaticParts,
  asked: SubscribeOptions,
): Promise<Subscription> {
  // prettier-ignore
  const { module, base, report } = parts
  const topics = [...asked.topics]
  const closing = new AbortController()
  let paused = Promise.withResolvers<void>()
  paused.resolve()
  let isPaused = false
  let problem: string | undefined

  async function joined(): Promise<Member> {
    const consumer = new module.Consumer({
      ...base,
      groupId: asked.group,
      autocommit: false,
      sessionTimeout: sessionMs,
      rebalanceTimeout: sessionMs,
      heartbeatInterval: sessionMs / 4,
      maxBytesPerPartition: fetchBytesMax,
      maxWaitTime: 100,
      minBytes: 1,
      highWaterMark: 2 * handledAtOnceMax,
    })
    // What it hears of, the stream ends with; without a listener the process would.
    consumer.on('error' as never, () => undefined)
    try {
      return { consumer, stream: await consumer.consume({ topics, mode: 'committed', fallbackMode: 'earliest', autocommit: false, maxWaitTime: 100 }) } // prettier-ignore
    } catch (error) {
      await consumer.close(true).catch(() => undefined)
      throw error
    }
  }

  /** Handles what has arrived, until the stream ends or this closes. */
  async function deliver({ stream }: Member): Promise<void> {
    let some: platformatic.Message[] = []
    for await (const message of stream) {
      some.push(message)
      if (some.length < handledAtOnceMax && stream.readableLength > 0) continue
      const batch = some
      some = []
      for (const part of Map.groupBy(batch, ({ topic, partition }) => `${topic} ${partition}`).values())
        if (!(await handled(part, stream))) return
    }
  }

  async function handled(part: readonly platformatic.Message[], stream: Member['stream']): Promise<boolean> {
    for (let failures = 0; ; failures++) {
      await paused.promise
      if (closing.signal.aborted || stream.destroyed) return false
      try {
        await asked.handle(part.map(delivered))
        break
      } catch (error) {
        report({ level: 'warn', kafka: `group ${asked.group}: records are not handled: ${(error as Error).message}` })
        await wait(backoffMs(failures), undefined, { signal: closing.signal }).catch(() => undefined)
      }
    }
    await part.at(-1)!.commit()
    return true
  }

  let member = await joined()

  async function run(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted;) {
      try {
        problem = undefined
        await deliver(member)
        failures = 0
      } catch (error) {
        problem = (error as Error).message
        report({ level: 'warn', kafka: `group ${asked.group}: ${problem}` })
      }
      await member.consumer.close(true).catch(() => undefined)
      while (!closing.signal.aborted) {
        try {
          member = await joined()
          break
        } catch (error) {
          problem = (error as Error).message
          await wait(backoffMs(failures++), undefined, { signal: closing.signal }).catch(() => undefined)
        }
      }
    }
    await member.consumer.close(true).catch(() => undefined)
  }

  const running = run()
  return {
    pause() {
      if (!isPaused) paused = Promise.withResolvers()
      isPaused = true
    },
    resume() {
      isPaused = false
      paused.resolve()
    },
    lag: () => withAdmin(new module.Admin(base), (admin) => behind(admin, asked)),
    problem: () => problem,
    async close() {
      closing.abort()
      paused.resolve()
      member.stream.destroy()
      await running
    },
  }
}

function delivered({ topic, partition, offset, key, value, headers }: platformatic.Message): Delivered {
  const pairs = [...headers].map(([name, said]) => [name.toString(), said.toString()] as const)
  return { topic, partition, offset, key: key?.toString() ?? '', value, headers: Object.fromEntries(pairs) }
}
