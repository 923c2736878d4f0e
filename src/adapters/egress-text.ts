import { TextDecoder } from 'node:util'
import { UpstreamError } from '../ports/tool.ts'

type Headers = Readonly<Record<string, string | string[] | undefined>>

export interface ReadText {
  readonly contentType: string
  /** Empty when the answer is not text in a character set we can read: nobody could inspect it. */
  readonly text: string
  readonly truncated: boolean
}

/**
 * Reads at most `bytesMax` bytes of an answer as text. An encoded (compressed) answer is refused, because we asked for
 * none and its true size is unknown. Stops when `closed` turns true.
 */
export async function readText(
  headers: Headers,
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
  closed: () => boolean,
): Promise<ReadText> {
  const contentType = first(headers['content-type'])
  const encoding = first(headers['content-encoding'])
  if (encoding !== '' && encoding.toLowerCase() !== 'identity') {
    throw new UpstreamError('upstream_failed', 'content_encoding', 'The destination sent a compressed answer.')
  }
  const decoder = decoderOf(contentType)
  if (!decoder) return { contentType, text: '', truncated: true }
  const { bytes, truncated } = await readBytes(body, bytesMax, closed)
  return { contentType, text: decoder.decode(bytes, { stream: truncated }), truncated }
}

async function readBytes(body: AsyncIterable<Uint8Array>, bytesMax: number, closed: () => boolean) {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, bytesMax - size))
    size += chunk.length
    if (size > bytesMax || closed()) return { bytes: Buffer.concat(chunks), truncated: true }
  }
  return { bytes: Buffer.concat(chunks), truncated: false }
}

const textual = /^(text\/|application\/([a-z0-9.+-]*\+)?(json|xml|yaml|javascript|x-www-form-urlencoded|x-ndjson)$)/

/** A decoder for a textual type, UTF-8 unless it names another character set; nothing for the rest. */
function decoderOf(contentType: string): TextDecoder | undefined {
  const [type = '', ...parameters] = contentType.toLowerCase().split(';')
  if (type.trim() !== '' && !textual.test(type.trim())) return undefined
  const named = parameters.map((part) => /^\s*charset\s*=\s*"?([a-z0-9_:.-]+)"?\s*$/.exec(part)?.[1]).find(Boolean)
  try {
    return new TextDecoder(named ?? 'utf-8')
  } catch {
    return undefined
  }
}

function first(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? ''
}
