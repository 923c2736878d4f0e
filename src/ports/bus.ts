/** One record on its way to a topic. */
export interface BusRecord {
  readonly topic: string
  /** Records of one key keep their order. */
  readonly key: string
  /** At most 1 MiB, which is what a broker takes as it comes. */
  readonly value: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/** One record as it arrived. */
export interface Delivered extends BusRecord {
  readonly partition: number
  /** Its place in the partition, from 0. */
  readonly offset: bigint
}

/** A topic that must be there. */
export interface TopicPlan {
  readonly name: string
  readonly partitions: number
  readonly replicas: number
  /** The broker's own names, e.g. `cleanup.policy`. */
  readonly settings: Readonly<Record<string, string>>
}

export interface SubscribeOptions {
  /** Members of one group share its partitions; where the group has got to outlives them. */
  readonly group: string
  readonly topics: readonly string[]
  /**
   * Handles records of one partition, in order. Where the group has got to moves only after this resolves: what it
   * rejects is delivered again, later, and what comes after it waits.
   */
  readonly handle: (records: readonly Delivered[]) => Promise<void>
}

export interface Subscription {
  /** Handles nothing from now on, except what is being handled. Stays in the group. */
  pause(): void
  resume(): void
  /** Records that the group has not handled yet, over all partitions of its topics. */
  lag(): Promise<bigint>
  /** Why nothing is being delivered, or undefined. */
  problem(): string | undefined
  /** Handles what is being handled to its end, then leaves the group. */
  close(): Promise<void>
}

/** The bus has no such topic, and makes none by itself. */
export class UnknownTopic extends Error {
  constructor(topic: string) {
    super(`The bus has no topic "${topic}": create it, or let the gateway (bus.createTopics).`)
    this.name = 'UnknownTopic'
  }
}

/**
 * Records in topics, kept in order by key.
 *
 * Promises, run on every adapter by the contract test:
 * - `publish` resolves only when every in-sync replica has every record, and rejects otherwise; some may be there all the same;
 * - delivery is at least once, in the order of publishing for records of one key, and byte for byte;
 * - equal keys go to equal partitions, whatever the driver;
 * - nothing here retries a failed `publish`: who calls knows for how long to.
 */
export interface Bus {
  /** Makes the topics that are missing; those that exist are left as they are. */
  ensure(topics: readonly TopicPlan[]): Promise<void>
  publish(records: readonly BusRecord[]): Promise<void>
  subscribe(options: SubscribeOptions): Promise<Subscription>
  /** Ends what was published and closes every connection. Subscriptions are closed first, by who opened them. */
  close(): Promise<void>
}
