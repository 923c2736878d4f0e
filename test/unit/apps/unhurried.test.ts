import { describe, expect, it } from 'vitest'
import { unhurried } from '../../../src/apps/unhurried.ts'
import type { Received } from '../../../src/call/call.ts'
import { pass } from '../../../src/call/pipeline.ts'
import type { Json } from '../../../src/ports/json.ts'

const stage = unhurried<Received, object>(() => pass({}))
const call = (rawArgs: Json) => ({ rawArgs }) as Received

describe('a stage whose work grows with the arguments', () => {
  it('lets everybody else have a turn first when they are large, in one text or in many', async () => {
    for (const large of [{ a: 'x'.repeat(20_000) }, { a: Array.from({ length: 9000 }, () => [1]) }]) {
      let turned = false
      setImmediate(() => (turned = true))
      await stage(call(large))
      expect(turned).toBe(true)
    }
  })

  it('runs at once when they are small', () => {
    expect(stage(call({ a: 'x', b: [1, null, { c: true }] }))).toEqual({ kind: 'pass', learned: {} })
  })
})
