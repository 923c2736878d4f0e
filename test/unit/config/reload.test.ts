import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { restartNeeded, watchFiles } from '../../../src/config/reload.ts'
import type { Config } from '../../../src/config/schema.ts'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'sluicegate-watch-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Looks so many times, with something done before each look, and gives the looks after which a change was told. */
async function looks(
  many: number,
  places: readonly string[],
  before: (look: number, forget: () => void) => void,
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
})

describe('a change while the gateway runs', () => {
  const config = (text: string): Config => {
    const { config: parsed, problems } = parseConfig(`mode: development\n${text}`, 'sluicegate.yaml')
    if (!parsed) throw new Error(problems.map(({ message }) => message).join(' '))
    return parsed
  }
  const needs = (before: string, after: string) => restartNeeded(config(before), config(after))

  it.each([
    ['listen: { port: 1 }', /^listen: .*restart/],
    ['admin: { port: 1 }', /^admin: .*restart/],
    ['evidence: { gateway: other }', /^evidence: .*restart/],
    ['telemetry: { spansFile: false }', /^telemetry: .*restart/],
    ['detector: { baseline: b.json }', /^detector\.baseline: .*restart/],
    ['services: builtin', /^services: .*restart/],
  ])('of %s needs a restart', (text, sentence) => {
    expect(needs('', text)).toEqual([expect.stringMatching(sentence)])
    expect(needs(text, '')).toEqual([expect.stringMatching(sentence)])
  })

  it.each([
    'principals: [{ principal: a, deny: [x] }]',
    'policies: []',
    'auth: { audience: other, tenants: { t: { home: EU } } }',
    'tools: { flag.set: { enabled: false } }',
    'services: { s: { regions: { us-east: "https://s.example" } } }',
    'egress: { allow: [vendor.example] }',
    'limits: { tenants: { t: { rpm: 1 } } }',
    'tickets: { file: t.yaml }',
    'detector: { stages: { default: enforce }, lists: { l: [x] } }',
    'alerts: { sinks: [] }',
    'baseline: b.yaml',
  ])('of %s needs none', (text) => {
    expect(needs('', text)).toEqual([])
  })

  it('of a whole mode needs one', () => {
    expect(restartNeeded(config(''), { ...config(''), mode: 'production' })).toEqual([expect.stringMatching(/^mode: /)])
  })
})
