import { isJsonObject, type Json, type JsonObject } from '../../src/ports/json.ts'

/** One threshold of a rule, moved a little. */
export interface Mutation {
  readonly path: string
  readonly from: Json
  readonly to: Json
  readonly source: JsonObject
}

/** Bounds on memory and on weight, whose exact value no example could or should pin. */
const bounds = ['max_values', 'last', 'weight', 'order', 'version', 'baseline', 'min_tenants', 'approve_within', 'global']

/** Every number and period of a rule that decides anything, each moved up and down by the least that matters. */
export function mutations(source: JsonObject): readonly Mutation[] {
  const decisive = ['detection', 'where', 'level_when', 'analytics', 'correlation', 'suppress', 'response']
  return decisive.filter((key) => key in source).flatMap((key) => within(source, [key], source[key]!))
}

function within(source: JsonObject, path: readonly (string | number)[], value: Json): readonly Mutation[] {
  if (bounds.includes(String(path.at(-1)))) return []
  if (isJsonObject(value) && value['mode'] === 'ask') return within(source, path, withoutLimits(value))
  if (Array.isArray(value)) return value.flatMap((inner: Json, index) => within(source, [...path, index], inner))
  if (isJsonObject(value)) return Object.entries(value).flatMap(([key, inner]) => within(source, [...path, key], inner))
  return moved(value).map((to) => ({ path: path.join('.'), from: value, to, source: replaced(source, path, to) as JsonObject }))
}

/** A response that asks spends none of its limits in the fold; they bind whoever enforces it when nobody answers. */
function withoutLimits(response: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(response).filter(([key]) => key !== 'limits' && key !== 'mode'))
}

function moved(value: Json): readonly Json[] {
  if (typeof value === 'number') return Number.isInteger(value) ? [value + 1, value - 1] : [value * 1.01, value * 0.99]
  if (typeof value !== 'string') return []
  const period = /^(\d+)(s|m|h|d)$/.exec(value)
  if (period) return [1, -1].map((by) => `${Math.max(0, Number(period[1]) * secondsOf(period[2]!) + by)}s`).filter((other) => other !== '0s' || value !== '0s')
  const rate = /^(\d+)\/(\w+)$/.exec(value)
  if (rate) return [`${Number(rate[1]) + 1}/${rate[2]}`, `${Number(rate[1]) - 1}/${rate[2]}`]
  const inText = /^(.*[<>]=? )(\d+)(.*)$/.exec(value)
  return inText ? [1, -1].map((by) => `${inText[1]}${Number(inText[2]) + by}${inText[3]}`) : []
}

const secondsOf = (unit: string) => ({ s: 1, m: 60, h: 3_600, d: 86_400 })[unit] ?? 1

function replaced(value: Json, [step, ...rest]: readonly (string | number)[], to: Json): Json {
  if (step === undefined) return to
  if (Array.isArray(value)) return value.map((inner: Json, index) => (index === step ? replaced(inner, rest, to) : inner))
  return { ...(value as JsonObject), [step]: replaced((value as JsonObject)[step]!, rest, to) }
}
