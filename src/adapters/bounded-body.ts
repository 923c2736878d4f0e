/** All of a body of at most `sizeBytesMax`; undefined as soon as it is larger, and then the rest of it is not waited for. */
export async function boundedBody(
  body: AsyncIterable<Uint8Array>,
  sizeBytesMax: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > sizeBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
