import { lineBytesMax } from './chain.ts'

/** Where a line begins: the segment's number, counted from 1, and the byte in it. */
export interface Place {
  readonly segment: number
  readonly offset: number
}

/** One line of a segment, LF removed. */
export interface Line extends Place {
  readonly bytes: Buffer
  /** False for what stands after the last LF, and for a line that is longer than any line may be (its bytes are then cut short). */
  readonly ended: boolean
}

/** Cuts a segment's bytes into lines. Holds one line at a time, never more than `lineBytesMax` bytes of it. */
export async function* linesOf(pieces: AsyncIterable<Buffer>, segment: number): AsyncGenerator<Line> {
  let rest: Buffer = Buffer.alloc(0)
  let offset = 0
  let overlong = 0
  for await (const piece of pieces) {
    let data = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    for (let end = data.indexOf(0x0a); end !== -1; end = data.indexOf(0x0a)) {
      yield { segment, offset, bytes: data.subarray(0, end), ended: overlong === 0 && end <= lineBytesMax }
      offset += overlong + end + 1
      overlong = 0
      data = data.subarray(end + 1)
    }
    overlong += Math.max(0, data.length - lineBytesMax)
    rest = data.subarray(0, lineBytesMax)
  }
  if (rest.length > 0) yield { segment, offset, bytes: rest, ended: false }
}
