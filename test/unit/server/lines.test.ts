import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { gathering } from '../../../src/server/gathered.ts'
import { lines } from '../../../src/server/lines.ts'
import { until } from '../../support/until.ts'

const text = (line: Uint8Array | undefined) => (line === undefined ? undefined : Buffer.from(line).toString())

describe('stdio framing', () => {
  it('gives the same lines however the bytes were cut', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-zé ]{0,20}$/)), fc.array(fc.nat(50)), (wanted, cuts) => {
        const bytes = Buffer.from(wanted.map((line) => `${line}\n`).join(''))
        const framer = lines(1000)
        const out: (string | undefined)[] = []
        let from = 0
        for (const cut of [...cuts, bytes.length]) {
          out.push(...framer.push(bytes.subarray(from, from + cut)).map(text))
          from += cut
        }
        out.push(...framer.push(bytes.subarray(from)).map(text))
        expect(out).toEqual(wanted)
      }),
    )
  })

  it('refuses one line that is too long and goes on with the next', () => {
    const framer = lines(10)
    expect(framer.push(Buffer.from('x'.repeat(8)))).toEqual([])
    expect(framer.push(Buffer.from('x'.repeat(8)))).toEqual([])
    expect(framer.push(Buffer.from('xx\nok\r\n')).map(text)).toEqual([undefined, 'ok'])
  })

  it('takes a line that is just as long as allowed, and ends it only at a line feed', () => {
    const framer = lines(10)
    expect(framer.push(Buffer.from('0123456789\n0123456789x\n')).map(text)).toEqual(['0123456789', undefined])
    expect(framer.push(Buffer.from('a\rb\r\r\n\u2028\n')).map(text)).toEqual(['a\rb\r', '\u2028'])
  })

  it('keeps a line of a million pieces in little more than what it holds, and none of one that is too long', async () => {
    const sizeBytes = 1024 * 1024
    const framer = lines(sizeBytes)
    const before = inUse()
    for (let count = 0; count < sizeBytes; count += 1) framer.push(Buffer.from('x'))
    // A list of the pieces would take a hundred bytes for each.
    await until(() => inUse() - before < 32 * sizeBytes)
    for (let count = 0; count < 100; count += 1) framer.push(Buffer.alloc(sizeBytes, 'x'))
    await until(() => inUse() - before < 32 * sizeBytes)
    expect(framer.push(Buffer.from('\nok\n')).map(text)).toEqual([undefined, 'ok'])
  })
})

describe('bytes that come in pieces', () => {
  it('are given as they came, once, or not at all when there are too many', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 })
    fc.assert(
      fc.property(pieces, fc.nat(400), (all, max) => {
        const held = gathering(max)
        const whole = Buffer.concat(all)
        expect(all.every((piece) => held.add(piece))).toBe(whole.length <= max)
        if (whole.length > max) return
        expect(Buffer.from(held.take())).toEqual(whole)
        expect(held.take()).toHaveLength(0)
      }),
    )
  })

  it('of one time are not touched by those of the next', () => {
    const held = gathering(100)
    const add = (...all: readonly string[]) => all.forEach((one) => held.add(Buffer.from(one)))
    add('ab', 'cd', 'ef')
    const first = held.take()
    add('uv', 'wx', 'yz')
    expect([text(first), text(held.take())]).toEqual(['abcdef', 'uvwxyz'])
  })
})

/** Bytes in use, after what is not has been collected. Memory of buffers is given back a little later. */
function inUse(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
