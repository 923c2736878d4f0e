import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { edgeBlindness, egressBlindness, tokenBlindness } from '../scripts/corpora/controls.ts'
import { openEdges } from '../scripts/corpora/edge.ts'
import { tryEgress } from '../scripts/corpora/egress.ts'
import { gapsIn, missedFloors } from '../scripts/corpora/floors.ts'
import { egressForm, operatorsForm } from '../scripts/corpora/forms.ts'
import { loopDelayOf } from '../scripts/corpora/loop-delay.ts'
import { isExact, sameMeaning } from '../scripts/corpora/meaning.ts'
import { tryOperators } from '../scripts/corpora/operators.ts'
import { summaryOf, type Tried } from '../scripts/corpora/report.ts'
import { reader } from '../scripts/corpora/rows.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluicegate-rows-'))
  mkdirSync(join(folder, 'attacks'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A run in which everything held. */
const held: Tried = {
  egress: { mustBlock: 100, mustAllow: 100, reached: 100, fetches: 900, leaks: [], missed: [], unheard: [] },
  tokens: { invalid: 100, accepted: [], valid: 10, refused: [] },
  operators: { operators: 29, accepted: [], unknown: [], control: true, attempts: 500, crashes: [] },
  bytes: { reject: 100, accepted: [], crashes: [], json: 100, overStrict: [], inexact: [] },
  messages: { reject: 100, accepted: [], crashes: [], examples: 100, refused: [], untried: [] },
  loop: { maxMs: 30, medianMs: 20 },
  sizes: {
    line: { tried: 5, refused: 5, cpuMs: 10, grownBytes: 0 },
    bodies: { tried: 30, wrong: [], maxMs: 30, maxCpuMs: 20 },
  },
  blind: [],
  problems: [],
}

const rows = (count: number) => Array.from({ length: count }, (_, n) => `row-${n} (http)`)

/** For a machine that is slow and busy: only what never comes is given up. */
const patient = { timeout: 300_000 }

describe('the run over attack rows', patient, () => {
  it('has nothing to say when everything held', () => {
    expect([missedFloors(held), gapsIn(held)]).toEqual([[], []])
  })

  it.each<[string, Partial<Tried>]>([
    ['one socket to a destination that must be blocked', { egress: { ...held.egress, leaks: ['x (direct)'] } }],
    ['two in a hundred harmless URLs not reached', { egress: { ...held.egress, reached: 98, missed: rows(2) } }],
    ['a forged token', { tokens: { ...held.tokens, accepted: ['x'] } }],
    ['a good token refused', { tokens: { ...held.tokens, refused: ['x'] } }],
    ['an attack that got through', { operators: { ...held.operators, accepted: ['x (EdDSA): y'] } }],
    ['a malformed text taken', { bytes: { ...held.bytes, accepted: ['x (http)'] } }],
    ['six in a hundred plain texts refused', { bytes: { ...held.bytes, overStrict: rows(6) } }],
    ['a malformed message taken', { messages: { ...held.messages, accepted: ['x (http)'] } }],
    ['six in a hundred examples refused', { messages: { ...held.messages, refused: rows(6) } }],
    ['a long line taken', { sizes: { ...held.sizes, line: { ...held.sizes.line, refused: 4 } } }],
    ['a large body judged wrongly', { sizes: { ...held.sizes, bodies: { ...held.sizes.bodies, wrong: ['x'] } } }],
    ['a crash over a text', { bytes: { ...held.bytes, crashes: ['x'] } }],
    ['a crash over a message', { messages: { ...held.messages, crashes: ['x'] } }],
    ['a crash over a token', { operators: { ...held.operators, crashes: ['x'] } }],
  ])('misses a floor for %s', (_what, more) => {
    expect(missedFloors({ ...held, ...more })).toHaveLength(1)
  })

  it.each<[string, Partial<Tried>]>([
    ['no URL that must be blocked', { egress: { ...held.egress, mustBlock: 0 } }],
    ['no URL that must be allowed', { egress: { ...held.egress, mustAllow: 0, reached: 0 } }],
    ['no invalid token', { tokens: { ...held.tokens, invalid: 0 } }],
    ['no valid token', { tokens: { ...held.tokens, valid: 0 } }],
    ['no attack on tokens', { operators: { ...held.operators, operators: 0 } }],
    ['no text that must be refused', { bytes: { ...held.bytes, reject: 0 } }],
    ['no message that must be refused', { messages: { ...held.messages, reject: 0 } }],
    ['an attack that nobody knows how to try', { operators: { ...held.operators, unknown: ['x'] } }],
    ['an honest token that was refused', { operators: { ...held.operators, control: false } }],
    ['a socket that was not heard', { egress: { ...held.egress, unheard: ['tls'] } }],
    ['a wrong label that was not found', { blind: ['x'] }],
    ['a file that could not be read', { problems: ['There is no such file.'] }],
  ])('says that it is incomplete for %s', (_what, more) => {
    expect(missedFloors({ ...held, ...more })).toEqual([])
    expect(gapsIn({ ...held, ...more })).toHaveLength(1)
  })

  it('finds the rows of every corpus whose label is wrong', async () => {
    await using edges = await openEdges()
    expect([await egressBlindness(), await tokenBlindness(), await edgeBlindness(edges)]).toEqual([[], [], []])
  })

  it('hears each socket, however soon after the one before', async () => {
    for (let round = 0; round < 3; round += 1) expect(await tryEgress([])).toMatchObject({ fetches: 0, unheard: [] })
  })

  it('tries no attack that it does not know, and says so', async () => {
    const counts = await tryOperators([{ id: 'toString' }, { id: 'never-heard-of' }, { id: 'valid', allow: true }])
    expect(counts).toMatchObject({ operators: 0, unknown: ['toString', 'never-heard-of'], control: true })
  })

  it('gives the middle round of the loop, and the worst one', () => {
    expect(loopDelayOf([9, 80, 11])).toEqual({ maxMs: 80, medianMs: 11 })
    expect(summaryOf(held).maxLoopDelayMs).toBe(20)
  })

  it('tells a number that no double keeps from one that was changed', () => {
    expect(['[1.5, 1E2, -0]', '[1e22]', '[0.10000000000000001]', '"1e999"', '9007199254740993'].map(isExact)).toEqual([
      true,
      false,
      false,
      true,
      false,
    ])
    expect([sameMeaning('{"a":1.0}', { a: 1 }), sameMeaning('{"a":1,"a":2}', { a: 2 })]).toEqual([true, false])
  })
})

describe('a folder of attack rows', patient, () => {
  const write = (file: string, text: string) => writeFileSync(join(folder, 'attacks', file), text)

  it('is read row by row, and each row or file that is not as its datasheet says is named', () => {
    const good = { id: 'a', url: 'http://a/', expect: 'block', more: 1 }
    const bad = [
      JSON.stringify({ ...good, expect: 'maybe' }),
      '{',
      JSON.stringify({ id: 'b', url: 5, expect: 'block' }),
    ]
    write('urls.jsonl', `${JSON.stringify(good)}\r\n\n${bad.join('\n')}\n`)
    write('empty.jsonl', '\n\n')
    write('operators.json', '{"operators":[{"name":"x"}]}')
    const { rows: read, value, problems } = reader(join(folder, 'attacks'))
    expect(read('urls.jsonl', egressForm)).toEqual([{ id: 'a', url: 'http://a/', expect: 'block' }])
    expect([read('empty.jsonl', egressForm), read('gone.jsonl', egressForm)]).toEqual([[], []])
    expect(value('operators.json', operatorsForm)).toBeUndefined()
    expect(problems).toEqual([
      expect.stringContaining('Row 2 of urls.jsonl'),
      expect.stringContaining('Row 3 of urls.jsonl'),
      expect.stringContaining('Row 4 of urls.jsonl'),
      'empty.jsonl holds no row.',
      expect.stringContaining('There is no'),
      expect.stringContaining('operators.json is not of the form'),
    ])
  })

  it('with nothing in it is no pass: the command ends with 2 and says what is missing', () => {
    const none = join(folder, 'none')
    mkdirSync(join(none, 'attacks'), { recursive: true })
    const command = fileURLToPath(new URL('../scripts/corpora.ts', import.meta.url))
    const env = { ...process.env, SLUICEGATE_CORPORA: none }
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, '--json'], { env, encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr.match(/^There is no .*\.jsonl?: /gm)).toHaveLength(5)
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ ssrf: { mustBlock: 0, leaked: 0 } })
  })
})
