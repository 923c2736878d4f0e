import { gathering } from './gathered.ts'

const newline = 10
const carriageReturn = 13

export interface Framer {
  /** The lines that end in this chunk, without their ends; `undefined` stands for one line that was too long. */
  push(chunk: Uint8Array): (Uint8Array | undefined)[]
}

/** Splits bytes into lines. Of one that is too long nothing is kept, however long it goes on. */
export function lines(sizeBytesMax: number): Framer {
  const held = gathering(sizeBytesMax)
  let skipping = false
  const keep = (part: Uint8Array): void => {
    if (!skipping) skipping = !held.add(part)
  }
  const take = (): Uint8Array | undefined => {
    const line = skipping ? undefined : trimmed(held.take())
    skipping = false
    return line
  }
  return {
    push(chunk) {
      const out: (Uint8Array | undefined)[] = []
      let from = 0
      for (let end = chunk.indexOf(newline, from); end >= 0; end = chunk.indexOf(newline, from)) {
        keep(chunk.subarray(from, end))
        out.push(take())
        from = end + 1
      }
      if (from < chunk.length) keep(chunk.subarray(from))
      return out
    },
  }
}

const trimmed = (line: Uint8Array): Uint8Array => (line.at(-1) === carriageReturn ? line.subarray(0, -1) : line)
