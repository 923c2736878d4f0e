import { gunzipSync } from 'node:zlib'
import { echoing, type Edge, type Edges } from './edge.ts'
import { sameMeaning } from './meaning.ts'

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
  /** Must-reject rows that were served, and rows whose meaning changed on the way to a tool. */
  readonly accepted: readonly string[]
  readonly crashes: readonly string[]
  /** Rows that are JSON, and were refused as if they were not: over-strict, not unsafe. */
  readonly overStrict: readonly string[]
}

/**
 * Sends every row through every door, alone as a message; and, unless it must be refused, as an argument of a call, where
 * a tool must be given exactly what the bytes say or nothing.
 */
export async function tryBytes({ doors, heard }: Edges, rows: readonly BytesRow[]): Promise<BytesCounts> {
  const accepted: string[] = []
  const crashes: string[] = []
  const overStrict: string[] = []
  for (const row of rows) {
    for (const door of doors) {
      try {
        const { served, codes } = await door.say(bytesOf(row))
        if (served || (mustReject(row) && codes.some((code) => !refusals.includes(code))))
          accepted.push(`${row.id} (${door.name})`)
        else if (isJson(row) && !codes.includes(-32600) && !(door.name === 'stdio' && isBroken(row)))
          overStrict.push(`${row.id} (${door.name})`)
        if (!mustReject(row) && !(await keepsMeaning(door, heard, row)))
          accepted.push(`${row.id} (${door.name}, changed)`)
      } catch (error) {
        crashes.push(`${row.id} (${door.name}): ${String(error)}`)
      }
    }
  }
  return { reject: rows.filter(mustReject).length, accepted, crashes, overStrict }
}

const refusals = [-32700, -32600]

/** `reject …` alone; `reject or …` and `reject, or …` leave a choice. */
const mustReject = ({ gateway }: BytesRow): boolean => /^reject\b(?!,? or )/.test(gateway)

const isJson = ({ gateway }: BytesRow): boolean => gateway.startsWith('parse')

/** On stdio a line break ends the message. */
const isBroken = (row: BytesRow): boolean => bytesOf(row).subarray(0, -1).includes(10)

function bytesOf({ b64, gz64 }: BytesRow): Buffer {
  return gz64 === undefined ? Buffer.from(b64 ?? '', 'base64') : gunzipSync(Buffer.from(gz64, 'base64'))
}

/** On stdio a line break within the bytes would end the message. */
async function keepsMeaning(
  door: Edge,
  heard: readonly { readonly value?: unknown }[],
  row: BytesRow,
): Promise<boolean> {
  const before = heard.length
  const bytes = bytesOf(row)
  const { bytes: call, headers } = echoing(
    door.name === 'stdio' ? bytes.map((byte) => (byte === 10 || byte === 13 ? 32 : byte)) : bytes,
  )
  await door.say(call, headers)
  return heard.slice(before).every(({ value }) => sameMeaning(bytes.toString(), value))
}
