import { gunzipSync } from 'node:zlib'
import { isBlank, type Edge } from './doors.ts'
import { echoing, type Edges } from './edge.ts'
import { isExact, sameMeaning } from './meaning.ts'

/** Bytes that may or may not be JSON. */
export interface BytesRow {
  readonly id: string
  readonly b64?: string
  readonly gz64?: string
  /** What a strict gateway does. */
  readonly gateway: string
}

export interface BytesCounts {
  readonly reject: number
  /** Must-reject rows that were served or reached a tool, and rows whose meaning changed on the way to one. */
  readonly accepted: readonly string[]
  readonly crashes: readonly string[]
  /** Rows that are JSON. */
  readonly json: number
  /** Those of them that were refused as if they were not: over-strict, not unsafe. */
  readonly overStrict: readonly string[]
  /** Refused by rule, whatever RFC 8259 allows: a number in them is none that a double keeps. */
  readonly inexact: readonly string[]
}

type Fate = 'fine' | 'accepted' | 'over-strict'

/**
 * Sends every row through every door: alone as a message, and as an argument of a call, where a tool must be given
 * exactly what the bytes say or nothing; and nothing at all of a row that must be refused.
 */
export async function tryBytes(edges: Edges, rows: readonly BytesRow[]): Promise<BytesCounts> {
  const accepted: string[] = []
  const crashes: string[] = []
  const overStrict: string[] = []
  const before = edges.crashes().length
  for (const row of rows) {
    for (const door of edges.doors) {
      const where = `${row.id} (${door.name})`
      try {
        const fates = [await aloneIn(door, row), await asArgument(door, edges, row)]
        if (fates.includes('accepted')) accepted.push(where)
        else if (fates.includes('over-strict')) overStrict.push(where)
      } catch (error) {
        crashes.push(`${where}: ${String(error)}`)
      }
    }
  }
  const inexact = new Set(rows.filter((row) => isJson(row) && !isExact(bytesOf(row).toString())).map(({ id }) => id))
  const isInexact = (where: string): boolean => inexact.has(where.replace(/ \(\w+\)$/, ''))
  return {
    reject: rows.filter(mustReject).length,
    accepted,
    crashes: [...crashes, ...edges.crashes().slice(before)],
    json: rows.filter(isJson).length,
    overStrict: overStrict.filter((where) => !isInexact(where)),
    inexact: overStrict.filter(isInexact),
  }
}

const parseError = -32700
const refusals = [parseError, -32600]

/** `reject …` alone; `reject or …` and `reject, or …` leave a choice. */
const mustReject = ({ gateway }: BytesRow): boolean => /^reject\b(?!,? or )/.test(gateway)

const isJson = ({ gateway }: BytesRow): boolean => gateway.startsWith('parse')

/** On stdio a line break ends the message. */
const isBroken = (bytes: Uint8Array): boolean => bytes.includes(10) || bytes.includes(13)

function bytesOf({ b64, gz64 }: BytesRow): Buffer {
  return gz64 === undefined ? Buffer.from(b64 ?? '', 'base64') : gunzipSync(Buffer.from(gz64, 'base64'))
}

/** No row is a message: what is JSON gets -32600, what is not -32700. Where stdio sees several lines, one of them is not. */
async function aloneIn(door: Edge, row: BytesRow): Promise<Fate> {
  const bytes = bytesOf(row)
  const { served, codes } = await door.say(bytes)
  if (served || codes.some((code) => !refusals.includes(code))) return 'accepted'
  const split = door.name === 'stdio' && isBroken(bytes)
  const unsaid = door.name === 'stdio' && isBlank(bytes)
  if (mustReject(row) && !unsaid) {
    const refused = split ? codes.includes(parseError) : codes.length > 0 && codes.every((code) => code === parseError)
    return refused ? 'fine' : 'accepted'
  }
  return isJson(row) && !split && !codes.includes(-32600) ? 'over-strict' : 'fine'
}

/** On stdio a line break within the bytes would end the message: a blank means the same, unless the row must be refused. */
async function asArgument(door: Edge, { heard }: Edges, row: BytesRow): Promise<Fate> {
  const bytes = bytesOf(row)
  const split = door.name === 'stdio' && isBroken(bytes)
  if (split && mustReject(row)) return 'fine'
  const before = heard.length
  const { bytes: call, headers } = echoing(
    split ? bytes.map((byte) => (byte === 10 || byte === 13 ? 32 : byte)) : bytes,
  )
  const { served } = await door.say(call, headers)
  const given = heard.slice(before)
  if (mustReject(row)) return given.length > 0 || served ? 'accepted' : 'fine'
  if (!given.every(({ value }) => sameMeaning(bytes.toString(), value))) return 'accepted'
  return isJson(row) && given.length === 0 ? 'over-strict' : 'fine'
}
