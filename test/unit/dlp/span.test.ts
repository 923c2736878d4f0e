import { describe, expect, it } from 'vitest'
import { withoutOverlaps } from '../../../src/dlp/span.ts'

const span = (kind: string, start: number, end: number) => ({ kind, start, end, score: 0.9, why: 'shape' })

describe('overlapping spans', () => {
  it('become one that covers all of them, of the stronger kind', () =>
    expect(withoutOverlaps([span('phone', 4, 20), span('email', 0, 10), span('ssn', 30, 41)])).toEqual([
      span('email', 0, 20),
      span('ssn', 30, 41),
    ]))

  it('of kinds alike take the longer one', () =>
    expect(withoutOverlaps([span('phone', 0, 5), span('ssn', 3, 12)])).toEqual([span('ssn', 0, 12)]))

  it('stay apart when they only touch', () =>
    expect(withoutOverlaps([span('ip', 5, 9), span('ip', 0, 5)])).toEqual([span('ip', 0, 5), span('ip', 5, 9)]))

  it('are reserved only when all of them are', () => {
    const reserved = { ...span('ip', 0, 9), reserved: true as const }
    expect(withoutOverlaps([reserved, span('phone', 2, 12)])).toEqual([span('phone', 0, 12)])
    expect(withoutOverlaps([reserved, { ...reserved, end: 12 }])).toEqual([{ ...reserved, end: 12 }])
  })
})
