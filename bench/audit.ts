import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { systemClock } from '../src/adapters/clock-system.ts'
import { linesIn, segmentsOf, streamsOf } from '../src/adapters/evidence-files.ts'
import { openKeys, type Keys } from '../src/adapters/keys-file.ts'
import { canonicalize } from '../src/evidence/canonical.ts'
import { parseLine } from '../src/evidence/chain.ts'
import type { EvidenceRecord } from '../src/evidence/record.ts'
import { serveParent } from './child.ts'
import { argsOf, isDenied } from './lookup.ts'
import { caller, dataIn } from './governed.ts'
import { verified } from './verified.ts'

/** Whether the evidence of a run holds. */
export interface Audit {
  readonly records: number
  readonly denied: number
  /** Why the run does not count, if it does not. */
  readonly problem?: string
}

/** Looks for each answered call in the evidence, by the keyed digest of its arguments, and verifies the whole. */

const [directory = '', answered = '0'] = process.argv.slice(2)
serveParent(await audit(dataIn(directory), Number(answered)), () => undefined)

async function audit(data: string, answeredCount: number): Promise<Audit> {
  const keys = await openKeys(join(data, 'keys'), systemClock())
  const recorded = await recordedIn(data)
  const whole = await verified(data, false)
  const problem = whole.problem ?? missing(answeredCount, recorded, keys)
  return {
    records: whole.records,
    denied: [...recorded.effects.values()].filter((effect) => effect === 'deny').length,
    ...(problem !== undefined && { problem }),
  }
}

interface Recorded {
  /** Digest of a call's arguments to what was decided. */
  readonly effects: ReadonlyMap<string, string>
  /** When the first and the last call were recorded: a month may have ended between them. */
  readonly timesMs: ReadonlySet<number>
  readonly calls: number
}

async function recordedIn(data: string): Promise<Recorded> {
  const effects = new Map<string, string>()
  const timesMs: number[] = []
  for (const stream of await streamsOf(data))
    for await (const { bytes } of linesIn(await segmentsOf(stream.directory))) {
      const line = parseLine(bytes)
      const record = line.kind === 'record' ? (JSON.parse(line.text) as EvidenceRecord) : undefined
      if (record?.args === undefined) continue
      effects.set(record.args.digest, record.decision?.effect ?? '')
      timesMs.push(record.tsMs)
    }
  return { effects, timesMs: new Set([timesMs.at(0) ?? 0, timesMs.at(-1) ?? 0]), calls: timesMs.length }
}

function missing(answeredCount: number, { effects, timesMs, calls }: Recorded, keys: Keys): string | undefined {
  if (calls !== answeredCount) return `${answeredCount} calls were answered and ${calls} are recorded`
  const digestKeys = [...timesMs].map((atMs) => keys.digestKey(caller.tenant, atMs).key)
  for (let ordinal = 0; ordinal < answeredCount; ordinal++) {
    const text = canonicalize({ ...argsOf(ordinal) })
    const digests = digestKeys.map((key) => createHmac('sha256', key).update(text).digest('hex'))
    const effect = digests.map((digest) => effects.get(digest)).find((found) => found !== undefined)
    if (effect === undefined) return `call ${ordinal} was answered and is not recorded`
    if (effect !== (isDenied(ordinal) ? 'deny' : 'allow')) return `call ${ordinal} is recorded as ${effect}`
  }
  return undefined
}
