import { openConnection, type Connection, type Target } from './connection.ts'
import type { Judge } from './judge.ts'
import { quantile } from './statistics.ts'
import { callText, type Era } from './wire.ts'

export interface Load {
  readonly target: Target
  readonly era: Era
  readonly judge: Judge
  readonly connections: number
  readonly durationMs: number
  /** Number of the first call; the others follow without a gap. */
  readonly firstOrdinal: number
}

export interface Measured {
  /** Every call that was made was answered. */
  readonly answered: number
  readonly perS: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly wrong: number
  /** The first wrong answer. */
  readonly example?: string
}

/** Calls as fast as answers come: each connection makes its next call when the last one is answered. */
export async function underLoad(load: Load): Promise<Measured> {
  const { connections, durationMs, firstOrdinal } = load
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(load.target)))
  const tally = { next: firstOrdinal, wrong: 0, example: undefined as string | undefined, latenciesMs: [] as number[] }
  const beganMs = performance.now()
  const untilMs = beganMs + durationMs
  await Promise.all(open.map((connection) => callUntil(connection, untilMs, load, tally)))
  const tookMs = performance.now() - beganMs
  for (const connection of open) connection.close()
  const answered = tally.latenciesMs.length
  return {
    answered,
    perS: (answered / tookMs) * 1000,
    p50Ms: quantile(tally.latenciesMs, 0.5),
    p99Ms: quantile(tally.latenciesMs, 0.99),
    wrong: tally.wrong,
    ...(tally.example !== undefined && { example: tally.example }),
  }
}

interface Tally {
  next: number
  wrong: number
  example: string | undefined
  readonly latenciesMs: number[]
}

async function callUntil(connection: Connection, untilMs: number, { era, judge }: Load, tally: Tally): Promise<void> {
  while (performance.now() < untilMs) {
    const ordinal = tally.next++
    const body = callText(era, ordinal)
    const beganMs = performance.now()
    const answer = await connection.post(body)
    tally.latenciesMs.push(performance.now() - beganMs)
    const problem = judge(ordinal, answer)
    if (problem === undefined) continue
    tally.wrong += 1
    tally.example ??= problem
  }
}
