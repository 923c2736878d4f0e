import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

/** How long and how often is measured. Durations are of one measurement. */
export interface Plan {
  readonly rounds: number
  /** Before the first round, once per mode: compilers settle after so many calls, however long they take. */
  readonly warmUpCalls: number
  /** Before each measurement: sockets open and caches fill. */
  readonly settleMs: number
  readonly manyMs: number
  readonly oneMs: number
  readonly stdioRounds: number
  readonly stdioMs: number
  readonly appendMs: number
  readonly detectorMs: number
  readonly besideRounds: number
  readonly besideMs: number
}

export interface Asked {
  readonly json: boolean
  /** Where data directories are made; the disk under it is part of the result. */
  readonly directory: string
  /** Writes a CPU profile of the governed server here. */
  readonly profileDirectory?: string
  readonly plan: Plan
}

const full: Plan = {
  rounds: 5,
  warmUpCalls: 4_000,
  settleMs: 200,
  manyMs: 1_500,
  oneMs: 800,
  stdioRounds: 5,
  stdioMs: 1_000,
  appendMs: 2_000,
  detectorMs: 3_000,
  besideRounds: 5,
  besideMs: 1_500,
}

const quick: Plan = {
  rounds: 2,
  warmUpCalls: 600,
  settleMs: 100,
  manyMs: 600,
  oneMs: 300,
  stdioRounds: 2,
  stdioMs: 300,
  appendMs: 600,
  detectorMs: 500,
  besideRounds: 2,
  besideMs: 400,
}

/** Reads the command line. Throws, with a sentence, for an option that does not exist. */
export function readOptions(args: readonly string[]): Asked {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      dir: { type: 'string', default: tmpdir() },
      profile: { type: 'string' },
    },
  })
  return {
    json: values.json,
    directory: values.dir,
    plan: values.quick ? quick : full,
    ...(values.profile !== undefined && { profileDirectory: values.profile }),
  }
}
