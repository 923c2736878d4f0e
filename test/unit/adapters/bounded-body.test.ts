import { describe, expect, it } from 'vitest'
import { boundedBody } from '../../../src/adapters/bounded-body.ts'

function body(...sizes: readonly number[]) {
  const seen = { chunks: 0, ended: false }
  async function* chunks() {
    try {
      for (const size of sizes) {
        seen.chunks += 1
        yield new Uint8Array(size).fill(seen.chunks)
      }
    } finally {
      seen.ended = true
    }
  }
  return { seen, chunks: chunks() }
}

describe('a body with a bound', () => {
  it('is read whole up to the bound, to the byte', async () => {
    expect(await boundedBody(body(2, 0, 1).chunks, 3)).toEqual(Buffer.from([1, 1, 3]))
    expect(await boundedBody(body().chunks, 3)).toEqual(Buffer.from([]))
    expect(await boundedBody(body(2, 2).chunks, 3)).toBeUndefined()
  })

  it('is let go of at once when it is larger: nothing more is asked for', async () => {
    const { seen, chunks } = body(2, 2, 2, 2)
    expect(await boundedBody(chunks, 3)).toBeUndefined()
    expect(seen).toEqual({ chunks: 2, ended: true })
  })
})
