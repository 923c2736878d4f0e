import type { Json } from '../ports/json.ts'
import type { Fields } from './event.ts'
import { groupOf } from './feature.ts'
import { recent } from './recent.ts'
import type { Suppress } from './rule.ts'

/** Windows remembered over all rules; a forgotten one errs to an alert too many. */
const windowsMax = 50_000

/** Keeps an incident from alerting again and again. */
export interface Suppressor {
  /** True when this firing is to be told; it then opens a window in which the same is not. */
  tells(rule: string, suppress: Suppress | undefined, fields: Fields, atMs: number): boolean
  snapshot(): Json
  restore(state: Json): void
}

export function suppressor(): Suppressor {
  const windows = recent<number>({ countMax: windowsMax })
  return {
    tells(rule, suppress, fields, atMs) {
      const key = suppress && keyOf(fields, suppress)
      if (!suppress || key === undefined) return true
      const untilMs = windows.get(`${rule}\u001f${key}`)
      if (untilMs !== undefined && atMs < untilMs) return false
      windows.put(`${rule}\u001f${key}`, atMs + suppress.for)
      return true
    },
    snapshot: () => [...windows.entries()],
    restore(state) {
      windows.clear()
      for (const [key, untilMs] of state as unknown as readonly [string, number][]) windows.put(key, untilMs)
    },
  }
}

/** Undefined when a field is missing and the rule would rather alert. */
function keyOf(fields: Fields, { by, missing }: Suppress): string | undefined {
  if (missing === 'suppress') return by.map((field) => JSON.stringify(fields[field] ?? null)).join('\u001f')
  return groupOf(fields, by)
}
