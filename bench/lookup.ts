import { z } from 'zod'

/** The tool that every server serves: one function call in the same process, so that what is measured is everything else. */
export const toolName = 'orders.lookup'

export interface LookupArgs {
  readonly order: string
  readonly region: string
  readonly quantity: number
}

export interface Found {
  readonly order: string
  readonly status: string
  readonly region: string
  readonly contact: string
  readonly note: string
}

export const argsSchema = z.strictObject({
  order: z.string().max(32),
  region: z.enum(['eu-west', 'us-east']),
  quantity: z.int().min(0).max(1000),
})

export const resultSchema = z.strictObject({
  order: z.string(),
  status: z.string(),
  region: z.string(),
  contact: z.string().optional(),
  note: z.string(),
})

/** Bytes of a result as JSON, before anything is masked. */
const resultBytes = 150

/** Part of every result. Whoever redacts lets none of it through. */
export const personal = 'ana.lindt@parcel-mail.net'

/** Answers a call. */
export function lookUp({ order, region }: LookupArgs): Found {
  const found = { order, status: 'shipped', region, contact: personal, note: '' }
  const note = 'Left with a neighbour on the second floor.'.repeat(2)
  return { ...found, note: note.slice(0, resultBytes - JSON.stringify(found).length) }
}

/** One call in this many asks for more than policy allows. */
const deniedEvery = 25

/** True for calls that policy must refuse. */
export const isDenied = (ordinal: number): boolean => ordinal % deniedEvery === deniedEvery - 1

/** How many of the first `count` calls policy must refuse. */
export const deniedAmong = (count: number): number => Math.floor(count / deniedEvery)

/** The arguments of the n-th call. No two are alike. */
export function argsOf(ordinal: number): LookupArgs {
  const order = `o-${Math.imul(ordinal, 0x9e3779b1) >>> 0}-${ordinal}`
  return { order, region: ordinal % 2 === 0 ? 'eu-west' : 'us-east', quantity: quantityOf(ordinal) }
}

/** Above this, policy refuses. */
export const quantityMax = 900

function quantityOf(ordinal: number): number {
  return isDenied(ordinal) ? quantityMax + 1 + (ordinal % 99) : ordinal % quantityMax
}
