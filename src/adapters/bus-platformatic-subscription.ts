import { setTimeout as wait } from 'node:timers/promises'
import type * as platformatic from '@platformatic/kafka'
import type { Delivered, SubscribeOptions, Subscription } from '../ports/bus.ts'
import { behind, withAdmin } from './bus-platformatic-admin.ts'
import {
  backoffMs,
  fetchBytesMax,
  handledAtOnceMax,
  patiently,
  sessionMs,
  type KafkaSettings,
} from './kafka-settings.ts'

export interface PlatformaticParts {
  readonly module: typeof platformatic
  readonly base: platformatic.BaseOptions
  readonly report: KafkaSettings['report']
}

interface Member {
  readonly consumer: platformatic.Consumer
  readonly stream: platformatic.MessagesStream<Buffer, Buffer, Buffer, Buffer>
  /** Resolves when the stream is gone. */
  readonly ended: Promise<void>
}

/**
 * A member of a group that is built anew whenever its stream ends, which it does when a commit comes too late, a broker
 * does not answer, or the group has lost it. Rejects when the first one cannot be built.
 */
export async function platformaticSubscription(
  { module, base, report }: PlatformaticParts,
  asked: SubscribeOptions,
): Promise<Subscription> {
  const topics = [...asked.topics]
  const closing = new AbortController()
  let going = Promise.withResolvers<void>()
  let isPaused = false
  going.resolve()
  let problem: string | undefined
  let failures = 0
  let busy: Promise<boolean> = Promise.resolve(true)

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
    try {
      const stream = await consumer.consume({ topics, mode: 'committed', fallbackMode: 'earliest', autocommit: false })
      // A member that the group has lost goes on fetching, and its commits wait for ever.
      const lost = (error: unknown) => stream.destroy(error instanceof Error ? error : new Error('out of the group'))
      for (const event of ['error', 'consumer:heartbeat:stalled']) consumer.on(event as never, lost as never)
      const ended = new Promise<void>((resolve) => stream.once('close', resolve))
      return { consumer, stream, ended }
    } catch (error) {
      await leave({ consumer })
      throw error
    }
  }

  /** Handles what has arrived, until the stream ends or this closes. */
  async function deliver(member: Member): Promise<void> {
    let some: platformatic.Message[] = []
    for await (const message of member.stream) {
      some.push(message)
      if (some.length < handledAtOnceMax && member.stream.readableLength > 0) continue
      const batch = some
      some = []
      for (const part of Map.groupBy(batch, ({ topic, partition }) => `${topic} ${partition}`).values())
        if (!(await (busy = handled(part, member)))) return
    }
  }

  async function handled(part: readonly platformatic.Message[], member: Member): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      await Promise.race([going.promise, member.ended])
      if (closing.signal.aborted || member.stream.destroyed) return false
      try {
        await asked.handle(part.map(delivered))
        break
      } catch (error) {
        problem = `records are not handled: ${(error as Error).message}`
        report({ level: 'warn', kafka: `group ${asked.group}: ${problem}` })
        await wait(backoffMs(tries), undefined, { signal: closing.signal }).catch(() => undefined)
      }
    }
    // What was fetched before its partition went to another member is handled twice: dropped, it might be handled by nobody.
    if (isOurs(part, member)) await Promise.race([part.at(-1)!.commit(), member.ended])
    ;[failures, problem] = [0, undefined]
    return true
  }

  let member = await patiently(joined)

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await deliver(member)
      } catch (error) {
        await failing(error)
      }
      await leave(member)
      await rebuild()
    }
  }

  async function rebuild(): Promise<void> {
    while (!closing.signal.aborted)
      try {
        member = await joined()
        if (closing.signal.aborted) await leave(member)
        return
      } catch (error) {
        await failing(error)
      }
  }

  async function leave({ consumer }: Pick<Member, 'consumer'>): Promise<void> {
    await consumer.close(true).catch(() => undefined)
  }

  async function failing(cause: unknown): Promise<void> {
    if (closing.signal.aborted) return
    problem = (cause as Error).message
    report({ level: 'warn', kafka: `group ${asked.group}: ${problem}` })
    await wait(backoffMs(failures++), undefined, { signal: closing.signal }).catch(() => undefined)
  }

  const running = run()
  return {
    pause() {
      if (!isPaused) going = Promise.withResolvers()
      isPaused = true
    },
    resume() {
      isPaused = false
      going.resolve()
    },
    lag: () => withAdmin(new module.Admin(base), (admin) => behind(admin, asked)),
    problem: () => problem,
    async close() {
      closing.abort()
      going.resolve()
      // Without an error: what is being handled is handled, and committed, to its end.
      await busy.catch(() => undefined)
      member.stream.destroy()
      await running
    },
  }
}

/** False once the partition is another member's: where the group has got to there is for that one to say. */
function isOurs([message]: readonly platformatic.Message[], { consumer }: Member): boolean {
  const own = consumer.assignments?.find(({ topic }) => topic === message?.topic)
  return message !== undefined && own?.partitions.includes(message.partition) === true
}

function delivered({ topic, partition, offset, key, value, headers }: platformatic.Message): Delivered {
  const pairs = [...headers].map(([name, said]) => [name.toString(), said?.toString() ?? ''] as const)
  return {
    topic,
    partition,
    offset,
    key: key?.toString() ?? '',
    value: value ?? Buffer.alloc(0),
    headers: Object.fromEntries(pairs),
  }
}
