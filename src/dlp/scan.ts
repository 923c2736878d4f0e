import type { Json } from '../ports/json.ts'
import { compileFields } from './fields.ts'
import type { Kind, Mode, Redaction, RedactOptions, Scanner } from './finding.ts'
import { redactor } from './leaf.ts'
import type { HashKey } from './mask.ts'
import type { Limits } from './meter.ts'
import { defaultLimits, meter } from './meter.ts'
import { tally } from './tally.ts'
import { dropped, rewrite } from './tree.ts'

/** Grows with what is recognized; stands in evidence and spans beside the counts. */
export const detectorVersion = 'dlp-1'

export interface ScannerOptions {
  /** The tenant's key for `hash`. Asked for at most once per redaction, and only when something is hashed. */
  readonly hashKey: (tenant: string) => HashKey
  /**
   * What becomes of a kind where no field rule speaks; `pass` leaves it in clear, counted. Everything is masked by default, except
   * `person` and `address`, which only a member's name gives. Arguments to vendors want `block` for secrets.
   */
  readonly modes?: Readonly<Record<Kind, Mode | 'pass'>>
  readonly limits?: Partial<Limits>
}

const defaultModes: Readonly<Record<Kind, Mode | 'pass'>> = { person: 'pass', address: 'pass' }

const noFields = compileFields([])

/** A scanner over parsed JSON. Holds nothing between calls, reads no clock, and never changes its input. */
export function scanner({ hashKey, modes = {}, limits = {} }: ScannerOptions): Scanner {
  const inForce = { ...defaultLimits, ...limits }
  const modeOf = new Map(Object.entries({ ...defaultModes, ...modes }))

  function redact(value: Json, { tenant, fields, clear = [] }: RedactOptions): Redaction {
    const inClear = new Set(clear)
    const treat = (kind: Kind): Mode | 'pass' => (inClear.has(kind) ? 'pass' : (modeOf.get(kind) ?? 'mask'))
    let key: HashKey | undefined
    return run(value, fields.length === 0 ? noFields : compileFields(fields), treat, () => (key ??= hashKey(tenant)))
  }

  function run(
    value: Json,
    fields: typeof noFields,
    treat: (kind: Kind) => Mode | 'pass',
    hashKey: () => HashKey,
  ): Redaction {
    const found = tally()
    const work = meter(inForce)
    let blocked: Kind | undefined
    const block = (kind: Kind) => void (blocked ??= kind)
    const visitor = redactor({ meter: work, fields, found, treat, hashKey, block })
    const next = rewrite(value, fields, visitor, work)
    const findings = found.total()
    if (blocked !== undefined) return { value: null, findings, blocked }
    return { value: next === dropped ? null : next, findings }
  }

  return {
    version: detectorVersion,
    scan: (value) => run(value, noFields, () => 'mask', noHash).findings,
    redact,
  }
}

function noHash(): HashKey {
  throw new TypeError('Nothing is hashed while scanning.')
}
