import { createHash } from 'node:crypto'
import type { Scanner } from '../dlp/finding.ts'
import type { Json, JsonObject } from '../ports/json.ts'

/** Longest text that is shown whole, in characters, and longest list, in entries. */
const textMax = 2_000
const listMax = 200
/** Most characters that all of it may come to; beyond that nobody reads. */
const allMax = 50_000

/**
 * The arguments of a call as a person who is to approve it sees them: the real ones, with personal data and secrets
 * masked. What is cut says how much there is and what it hashes to, so that it cannot pass for the whole.
 */
export function shownTo(scanner: Scanner, tenant: string, args: JsonObject): JsonObject {
  const masked = cut(scanner.redact(args, { tenant, fields: [] }).value) as JsonObject
  const text = JSON.stringify(masked)
  return text.length <= allMax ? masked : { _cut: tail(text, allMax) }
}

function cut(value: Json): Json {
  if (typeof value === 'string') return value.length <= textMax ? value : tail(value, textMax)
  if (Array.isArray(value)) return cutList(value as readonly Json[])
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value as JsonObject).map(([name, part]) => [name, cut(part)]))
}

function cutList(list: readonly Json[]): Json {
  const shown = list.slice(0, listMax).map(cut)
  const more = list.length - shown.length
  return more === 0 ? shown : [...shown, `… and ${more} more (SHA-256 ${sha256(JSON.stringify(list))})`]
}

function tail(text: string, max: number): string {
  return `${text.slice(0, max).toWellFormed()}… (${text.length} characters in all, SHA-256 ${sha256(text)})`
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
