/** `warn` works, and should not stay as it is; `bad` does not work, or is not safe. */
export type State = 'ok' | 'warn' | 'bad'

/** What was found, and what to do about it. Never holds a secret. */
export interface Finding {
  readonly state: State
  readonly detail: string
  readonly fix?: string
}

/** One thing that is looked at. What it throws counts as bad. */
export interface Examination {
  readonly name: string
  look(): Promise<Finding> | Finding
}

export const fine = (detail: string): Finding => ({ state: 'ok', detail })
export const warn = (detail: string, fix: string): Finding => ({ state: 'warn', detail, fix })
export const bad = (detail: string, fix: string): Finding => ({ state: 'bad', detail, fix })

const order: readonly State[] = ['ok', 'warn', 'bad']

/** Several findings as one: the worst state, everything that is not fine, and what to do first. `detail` when all are fine. */
export function together(findings: readonly Finding[], detail: string): Finding {
  const state = order[Math.max(0, ...findings.map((one) => order.indexOf(one.state)))] ?? 'bad'
  if (state === 'ok') return fine(detail)
  const wrong = findings.filter((one) => one.state !== 'ok').toSorted((a, b) => order.indexOf(b.state) - order.indexOf(a.state)) // prettier-ignore
  return {
    state,
    detail: wrong.map((one) => one.detail).join(' '),
    fix: [...new Set(wrong.flatMap(({ fix }) => fix ?? []))].join(' '),
  }
}

/** What an error says, in one line. */
export function told(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n').join(' ')
}
