import { z } from 'zod'
import type { BreakerRules } from '../limits/breaker.ts'
import { defaultGuard, type Guard } from '../limits/guard.ts'

const between = (min: number, max: number, otherwise: number) => z.int().min(min).max(max).default(otherwise)
const { concurrency, queue, timeoutMs, breaker } = defaultGuard

/** Keys of a service's section that say what stands before it. */
export const guardKeys = {
  concurrency: between(1, 1_000, concurrency),
  queue: z
    .strictObject({ max: between(0, 10_000, queue.max), waitMs: z.int().min(1).max(20_000).exactOptional() })
    .prefault({}),
  // A tool may take 20 s; a call of its service may not take longer.
  timeoutMs: between(50, 20_000, timeoutMs),
  breaker: z
    .strictObject({
      failures: between(1, 1_000, breaker.failures),
      failureRate: z.number().gt(0).max(1).default(breaker.failureRate),
      callsMin: between(1, 10_000, breaker.callsMin),
      windowMs: between(1_000, 600_000, breaker.windowMs),
      slowMs: z.int().min(10).max(20_000).exactOptional(),
      openMs: between(10, 60_000, breaker.openMs),
      openMaxMs: between(10, 600_000, breaker.openMaxMs),
    })
    .prefault({}),
}

interface Written extends Pick<Guard, 'concurrency' | 'timeoutMs'> {
  readonly queue: { readonly max: number; readonly waitMs?: number }
  readonly breaker: Omit<BreakerRules, 'slowMs'> & { readonly slowMs?: number }
}

/** Gathers the keys of `guardKeys` under `guard`, and refuses numbers that are fine by themselves and together can never act. */
export function guarded<T extends Written>(section: z.ZodType<T>) {
  return section.transform((value, context): Omit<T, keyof Guard> & { readonly guard: Guard } => {
    const { concurrency: _places, queue: _queue, timeoutMs: _timeoutMs, breaker: _breaker, ...rest } = value
    const guard = guardOf(value)
    for (const [path, message] of impossible(guard)) context.addIssue({ code: 'custom', path: [...path], message })
    return { ...rest, guard }
  })
}

/** Waits that nobody wrote end with the call at the latest. */
function guardOf({ concurrency: places, queue: line, timeoutMs: mostMs, breaker: rules }: Written): Guard {
  return {
    concurrency: places,
    queue: { waitMs: Math.min(queue.waitMs, mostMs), ...line },
    timeoutMs: mostMs,
    breaker: { slowMs: Math.min(breaker.slowMs, mostMs), ...rules },
  }
}

type Impossible = readonly [readonly string[], string]

function impossible({ queue: line, timeoutMs: mostMs, breaker: rules }: Guard): readonly Impossible[] {
  const all: readonly (Impossible | false)[] = [
    line.waitMs > mostMs && [['queue', 'waitMs'], `must be at most timeoutMs (${mostMs}); the call ends then.`],
    rules.slowMs > mostMs && [['breaker', 'slowMs'], `must be at most timeoutMs (${mostMs}); no call is slower.`],
    rules.openMaxMs < rules.openMs && [['breaker', 'openMaxMs'], `must be at least openMs (${rules.openMs}).`],
  ]
  return all.filter((problem) => problem !== false)
}
