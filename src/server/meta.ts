import type { PlanClaim } from '../call/call.ts'
import { isJsonObject, type Json } from '../ports/json.ts'

/** Where the agent's plan rides in `_meta`. */
const planKey = 'io.sluicegate/plan'

/** What a request says beside its arguments. All of it is a claim. */
export interface Meta {
  readonly plan: PlanClaim
  readonly traceparent?: string
  readonly tracestate?: string
  readonly client?: string
}

/** Reads `_meta`. A malformed part is dropped, never guessed at; dropping a claim cannot lower a count. */
export function readMeta(meta: Json | undefined): Meta {
  if (!isJsonObject(meta)) return { plan: {} }
  const traceparent = textOf(meta['traceparent'], 55)
  const tracestate = textOf(meta['tracestate'], 512)
  const client = clientOf(meta['io.modelcontextprotocol/clientInfo'])
  return {
    plan: planOf(meta[planKey]),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
    ...(client !== undefined && { client }),
  }
}

function planOf(claim: Json | undefined): PlanClaim {
  if (!isJsonObject(claim)) return {}
  const id = textOf(claim['id'], 128)
  const goal = textOf(claim['goal'], 512)
  const step = countOf(claim['step'])
  const depth = countOf(claim['depth'])
  const retry = countOf(claim['retry'])
  return {
    ...(id !== undefined && { id }),
    ...(goal !== undefined && { goal }),
    ...(step !== undefined && { step }),
    ...(depth !== undefined && { depth }),
    ...(retry !== undefined && { retry }),
  }
}

/** `name/version`, as the client calls itself. */
export function clientOf(info: Json | undefined): string | undefined {
  if (!isJsonObject(info)) return undefined
  const name = textOf(info['name'], 64)
  const version = textOf(info['version'], 32)
  return name === undefined ? undefined : version === undefined ? name : `${name}/${version}`
}

function textOf(value: Json | undefined, lengthMax: number): string | undefined {
  return typeof value === 'string' && value.length > 0 && value.length <= lengthMax ? value : undefined
}

function countOf(value: Json | undefined): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 1_000_000 ? value : undefined
}
