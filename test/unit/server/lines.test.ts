import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { lines } from '../../../src/server/stdio.ts'

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
})
