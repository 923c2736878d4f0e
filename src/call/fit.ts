import { recordBytesMax } from '../evidence/chain.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'

/** How long a list and a text of a record may be; the second and third for records that would still be too large. */
const sizes = [
  { itemsMax: 256, textMax: 512 },
  { itemsMax: 32, textMax: 128 },
  { itemsMax: 4, textMax: 64 },
] as const

/** Room for what the log adds around an entry, bytes. */
const chainBytesMax = 1_024

/**
 * The entry as the schema of records takes it, whatever the call was: a call whose record is refused would have happened with
 * no record of it. Lists and texts are cut, `ext.cut` says how long the lists were, numbers become whole ones.
 */
export function fitted(entry: EvidenceEntry): EvidenceEntry {
  for (const size of sizes) {
    const cut: Record<string, number> = {}
    const fit = fitJson(entry as unknown as Json, size, [], cut) as JsonObject
    const ext = { ...(isJsonObject(fit['ext'] ?? null) && (fit['ext'] as JsonObject)), cut }
    const made = Object.keys(cut).length === 0 ? fit : { ...fit, ext }
    if (size === sizes[2] || Buffer.byteLength(JSON.stringify(made)) <= recordBytesMax - chainBytesMax)
      return made as unknown as EvidenceEntry
  }
  return entry
}

type Size = (typeof sizes)[number]

function fitJson(value: Json, size: Size, path: readonly string[], cut: Record<string, number>): Json {
  if (typeof value === 'string') return fitText(value, size)
  if (typeof value === 'number') return fitNumber(value)
  if (Array.isArray(value)) {
    if (value.length > size.itemsMax) cut[path.join('.')] = value.length
    return value.slice(0, size.itemsMax).map((item: Json) => fitJson(item, size, path, cut))
  }
  if (!isJsonObject(value)) return value
  const members = Object.entries(value).filter(([, member]) => (member as unknown) !== undefined)
  return Object.fromEntries(
    members.map(([name, member]) => [
      name,
      // Absent when no policy is loaded: the one text that may be empty.
      member === '' && name === 'bundleDigest' ? '' : fitJson(member, size, [...path, name], cut),
    ]),
  )
}

/** Not empty, well formed, not too long. */
function fitText(text: string, { textMax }: Size): string {
  return (text.length > textMax ? text.slice(0, textMax) : text).toWellFormed() || '-'
}

function fitNumber(value: number): number {
  return Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, 0), Number.MAX_SAFE_INTEGER))
}
