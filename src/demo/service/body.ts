import type { IncomingMessage } from 'node:http'

/** Longest request body, bytes. */
const bodyMax = 64 * 1024

/** The body's text. Gives nothing when it is too long or not UTF-8. */
export async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= bodyMax) chunks.push(chunk)
  }
  if (size > bodyMax) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    return undefined
  }
}

/** The JSON in a body; an absent body is absent. Gives nothing when it is malformed. */
export function jsonOf(text: string): { readonly value: unknown } | undefined {
  if (text === '') return { value: undefined }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}
