import { z } from 'zod'
import { healthSecondsMax, type GuardRule } from '../limits/rollout.ts'

/** How raises of flags are watched: `tools.flag.set.guard`. */
export interface GuardSection {
  readonly enabled: boolean
  readonly abovePct: number
  readonly envs: readonly Env[]
  readonly watchSeconds: number
  readonly pollSeconds: number
  /** Errors are counted over this long at most. */
  readonly windowSeconds: number
  readonly factor: number
  /** An error rate, 0 to 1, below which nothing is a spike. */
  readonly errorRateMin: number
  readonly requestsMin: number
  /** Looks in a row that may show nothing. */
  readonly unreadableMax: number
  readonly whenBlind: 'rollback' | 'hold'
  /** `refuse` in production and `allow` in development, unless given. */
  readonly unwatched?: 'refuse' | 'allow'
  readonly firstStep: { readonly envs: readonly Env[]; readonly holdSeconds: number }
}

type Env = (typeof envs)[number]

const envs = ['dev', 'staging', 'prod'] as const
const seconds = z.number().max(86_400)

export const guardSection: z.ZodType<GuardSection> = z
  .strictObject({
    enabled: z.boolean().default(true),
    abovePct: z.number().min(0).max(100).default(10),
    envs: z.array(z.enum(envs)).max(3).default(['staging', 'prod']),
    watchSeconds: seconds.min(0.1).default(600),
    pollSeconds: seconds.min(0.05).default(5),
    windowSeconds: z
      .number()
      .min(0.1)
      .max(
        healthSecondsMax,
        `must be at most ${healthSecondsMax}: services count their flags' errors over no longer time`,
      )
      .default(120),
    factor: z.number().min(1).max(1_000).default(2),
    errorRateMin: z.number().min(0).max(1).default(0.02),
    requestsMin: z.int().min(1).max(1_000_000).default(50),
    unreadableMax: z.int().min(1).max(10_000).default(6),
    whenBlind: z.enum(['rollback', 'hold']).default('rollback'),
    unwatched: z.enum(['refuse', 'allow']).exactOptional(),
    firstStep: z
      .strictObject({ envs: z.array(z.enum(envs)).max(3).default([]), holdSeconds: seconds.min(0).default(0) })
      .prefault({}),
  })
  .refine(({ watchSeconds, pollSeconds }) => pollSeconds <= watchSeconds, {
    path: ['pollSeconds'],
    message: 'must not be longer than watchSeconds: nobody would look',
  })

/** The rule a section stands for, every default where nothing is said; undefined when nothing is to be watched. */
export function guardRule(
  section: GuardSection | undefined,
  mode: 'development' | 'production',
): GuardRule | undefined {
  const { enabled, watchSeconds, pollSeconds, windowSeconds, firstStep, unwatched, ...rest } =
    section ?? guardSection.parse({})
  if (!enabled) return undefined
  return {
    ...rest,
    watchMs: watchSeconds * 1000,
    pollMs: pollSeconds * 1000,
    windowMs: windowSeconds * 1000,
    unwatched: unwatched ?? (mode === 'production' ? 'refuse' : 'allow'),
    firstStep: { envs: firstStep.envs, heldMs: firstStep.holdSeconds * 1000 },
  }
}
