import type { JsonObject } from '../ports/json.ts'
import type { Tool } from '../ports/tool.ts'
import type { Keep } from './kept.ts'

export interface Surroundings {
  readonly data: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly report: (line: JsonObject) => void
  /** What the process was started with; nothing when absent. */
  readonly argv?: readonly string[]
  /** Tools beside the built-in ones. */
  readonly tools?: readonly Tool[]
  /** Gives what was opened for the same words before. Absent: everything is opened anew. */
  readonly keep?: Keep
}
