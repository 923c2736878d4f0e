import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { watchFiles } from '../../../src/config/reload.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'sluicegate-watch-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Looks so many times, with something done before each look, and gives the looks after which a change was told. */
async function looks(
  many: number,
  places: readonly string[],
  before: (look: number, forget: () => void) => void,
  owed: (look: number) => boolean = () => false,
): Promise<number[]> {
  const told: number[] = []
  const faults: unknown[] = []
  let look = 0
  const over = Promise.withResolvers<void>()
  const watching = watchFiles({
    everyMs: 1,
    places() {
      if (look === many) over.resolve()
      else before(++look, () => watching.forget())
      return places
    },
    changed: async () => void told.push(look),
    owed: () => owed(look),
    fault: (error) => faults.push(error),
  })
  await over.promise
  await watching.close()
  expect(faults).toEqual([])
  return told.filter((at) => at < many)
}

describe('a file that is watched', () => {
  const file = () => join(folder, 'sluicegate.yaml')
  const write = (text: string) => writeFileSync(file(), text)

  it('is news at first, and then when other bytes have stood still for two looks', async () => {
    expect(await looks(12, [file()], (look) => (look === 1 ? write('a') : look === 6 && write('b')))).toEqual([2, 7])
  })

  it('is no news while it is being written', async () => {
    expect(
      await looks(20, [file()], (look) =>
        look === 1 ? write('a') : look > 4 && look < 15 && appendFileSync(file(), 'b'),
      ),
    ).toEqual([2, 15])
  })

  it('is no news when it is touched, or written as it was', async () => {
    const again = (look: number) => (look === 1 || look === 5 ? write('a') : look === 9 && utimesSync(file(), 1, 1))
    expect(await looks(14, [file()], again)).toEqual([2])
  })

  it('is news as it stands when others have read it meanwhile', async () => {
    const read = (look: number, forget: () => void) => (look === 1 ? write('a') : look === 6 && forget())
    expect(await looks(12, [file()], read)).toEqual([2, 6])
  })

  it('is news when it comes and when it goes', async () => {
    expect(await looks(14, [file()], (look) => (look === 4 ? write('a') : look === 9 && rmSync(file())))).toEqual([
      2, 5, 10,
    ])
  })

  it('is news in a directory of rules, and anything else there is not', async () => {
    mkdirSync(join(folder, 'policies'))
    const change = (look: number) => {
      if (look === 4) writeFileSync(join(folder, 'policies', 'a.yaml'), '[]')
      if (look === 8) writeFileSync(join(folder, 'policies', 'a.yaml~'), '[]')
      if (look === 12) writeFileSync(join(folder, 'policies', 'b.yml'), '[]')
    }
    expect(await looks(18, [join(folder, 'policies')], change)).toEqual([2, 5, 13])
  })

  it('is told again while it is owed, less and less often, and at least every 150 looks', async () => {
    const told = await looks(
      780,
      [file()],
      (look) => look === 1 && write('a'),
      () => true,
    )
    expect(told).toEqual([2, 7, 17, 37, 77, 157, 307, 457, 607, 757])
  })

  it('is told again as if for the first time when other bytes are owed', async () => {
    const change = (look: number) => (look === 1 ? write('a') : look === 50 && write('b'))
    expect(await looks(75, [file()], change, () => true)).toEqual([2, 7, 17, 37, 51, 56, 66])
  })

  it('is told no more once it is taken over, and soon when it is owed anew', async () => {
    const owed = (look: number) => look < 10 || look > 40
    expect(await looks(60, [file()], (look) => look === 1 && write('a'), owed)).toEqual([2, 7, 45, 55])
  })
})
