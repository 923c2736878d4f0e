import { z } from 'zod'

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of `250ms`, `30s`, `15m`, `1h`, `30d`; undefined for anything else, or beyond ten years. */
function periodMs(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (!match) return undefined
  const ms = Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs]
  return ms <= 3_650 * unitsMs.d ? ms : undefined
}

/** So many times within so long: `5/1h`. */
export interface Rate {
  readonly countMax: number
  readonly withinMs: number
}

/** A period as rule files write it; parses to milliseconds. */
export const Period: z.ZodType<number> = z.string().transform((text, context) => {
  const ms = periodMs(text)
  if (ms !== undefined) return ms
  context.addIssue({
    code: 'custom',
    message: `"${text}" is no period: write a number and ms, s, m, h or d, such as 15m`,
  })
  return z.NEVER
})

/** A rate as rule files write it. A rate of nothing per period is refused: it would silently switch the response off. */
export const Rate: z.ZodType<Rate> = z.string().transform((text, context) => {
  const [count, period, ...rest] = text.split('/')
  const withinMs = periodMs(period ?? '')
  if (rest.length === 0 && /^\d{1,6}$/.test(count ?? '') && withinMs !== undefined && withinMs > 0) {
    if (Number(count) > 0) return { countMax: Number(count), withinMs }
    context.addIssue({
      code: 'custom',
      message: `"${text}" allows nothing: a limit of 0 would disable the response; use mode: off`,
    })
    return z.NEVER
  }
  context.addIssue({ code: 'custom', message: `"${text}" is no rate: write count/period, such as 5/1h` })
  return z.NEVER
})
