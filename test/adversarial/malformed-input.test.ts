import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { echoing, openEdges, type Edges } from '../../scripts/corpora/edge.ts'
import { tryBytes, type BytesRow } from '../../scripts/corpora/json-bytes.ts'
import { tryMessages, type MessageRow } from '../../scripts/corpora/messages.ts'
import { corporaFolder, rowsOf } from '../../scripts/corpora/rows.ts'
import { bodyCosts, longLineCost } from '../../scripts/corpora/sizes.ts'
import { verifyEvidence } from '../../src/apps/verify.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import { lines } from '../../src/server/lines.ts'
import { until } from '../support/until.ts'

const folder = corporaFolder() ?? ''

let edges: Edges
beforeAll(async () => {
  edges = await openEdges()
})
afterAll(() => edges[Symbol.asyncDispose]())

/** What a tool was given for a value, through every door; nothing where it was refused. */
async function heardOf(value: unknown): Promise<readonly unknown[]> {
  const { bytes, headers } = echoing(Buffer.from(JSON.stringify(value)))
  const before = edges.heard.length
  for (const door of edges.doors) await door.say(bytes, headers)
  return edges.heard.slice(before).map((args) => args['value'])
}

/** Every line that operators, spans and evidence got is one JSON document. */
function linesWritten(): readonly string[] {
  const spans = readFileSync(join(edges.gateway.data, 'spans.jsonl'), 'utf8').trimEnd().split('\n')
  return [...spans, ...edges.gateway.reported.map((line) => JSON.stringify(line))]
}

/** Bytes in use, after what is not has been collected. Memory of buffers is given back a little later. */
function inUse(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The rows of JSON that would reach a prototype, and keys that look like the way to one. */
interface PrototypeRow {
  readonly id: string
  readonly json?: string
  readonly key_path?: string
  readonly expect: string
}

/** For a machine that is slow and busy: only what never comes is given up. */
const patient = { timeout: 600_000 }

describe('malformed input crashes nothing, and none that must be refused is taken', patient, () => {
  describe.skipIf(folder === '')('of the collected rows (skipped without corpora: set SLUICEGATE_CORPORA)', () => {
    it('is refused as JSON through every door, or means to a tool exactly what it said', async () => {
      const tried = await tryBytes(edges, rowsOf<BytesRow>(folder, 'json_bytes'))
      expect([tried.reject > 100, tried.json > 50]).toEqual([true, true])
      expect([tried.accepted, tried.crashes, tried.overStrict]).toEqual([[], [], []])
      expect(edges.heard.length).toBeGreaterThan(100)
    })

    it('is refused as a message through every door, while official examples are taken', async () => {
      const tried = await tryMessages(edges, rowsOf<MessageRow>(folder, 'mcp_messages'))
      expect(tried.reject).toBeGreaterThan(250)
      expect([tried.accepted, tried.crashes, tried.refused, tried.untried]).toEqual([[], [], [], []])
      expect(tried.examples).toBeGreaterThan(60)
    })

    it('reaches a tool as it is, or not at all, however naughty the string', async () => {
      for (const { id, s } of rowsOf<{ id: string; s: string }>(folder, 'naughty_strings'))
        expect([id, await heardOf(s)]).toEqual([id, s.isWellFormed() ? [s, s] : []])
    })

    it('never assigns through a prototype', async () => {
      const before = Reflect.ownKeys(Object.prototype).length
      for (const { id, json, key_path: path, expect: wanted } of rowsOf<PrototypeRow>(folder, 'proto_pollution')) {
        const value = json === undefined ? JSON.stringify({ [path ?? '']: 1 }) : json.replaceAll(/[\r\n]/g, ' ')
        const { bytes, headers } = echoing(Buffer.from(value))
        for (const door of edges.doors) {
          const { codes } = await door.say(bytes, headers)
          const named = json !== undefined && wanted.startsWith('reject')
          expect([id, door.name, codes]).toEqual([id, door.name, named ? [-32700] : []])
        }
      }
      expect(Reflect.ownKeys(Object.prototype)).toHaveLength(before)
      expect({}).not.toHaveProperty('x')
    })
  })

  it('is refused when two readers could read it differently, in any spelling', async () => {
    const spelled = (key: string) =>
      fc
        .array(fc.boolean(), { minLength: key.length, maxLength: key.length })
        .map((escaped) =>
          Array.from(key, (char, at) => (escaped[at] ? `\\u00${char.charCodeAt(0).toString(16)}` : char)).join(''),
        )
    const hostile = fc.oneof(
      spelled('__proto__').map((key) => `{"${key}":{"x":1}}`),
      fc.tuple(spelled('constructor'), spelled('prototype')).map(([one, two]) => `{"${one}":{"y":1,"${two}":{}}}`),
      fc.tuple(spelled('key'), spelled('key')).map(([one, two]) => `{"${one}":1,"a":2,"${two}":3}`),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 90n }).map(String),
      fc.integer({ min: 17, max: 60 }).map((digits) => `0.${'7'.repeat(digits)}1`),
      fc.integer({ min: 400, max: 9999 }).map((power) => `1e-${power}`),
      fc.integer({ min: 0xd800, max: 0xdbff }).map((half) => `"\\u${half.toString(16)}"`),
      fc.integer({ min: 30, max: 4000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
    )
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        const { bytes, headers } = echoing(Buffer.from(text))
        for (const door of edges.doors) expect((await door.say(bytes, headers)).codes).toEqual([-32700])
      }),
      { numRuns: 150 },
    )
  })

  it('is given to a tool as exactly what was sent, when it is taken', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), async (text) => {
        expect(await heardOf(text)).toEqual(text.isWellFormed() ? [text, text] : [])
      }),
      { numRuns: 60 },
    )
  })

  it('gives a tool the very object that was judged, which nobody can change any more', async () => {
    await heardOf({ deep: [{ list: [1] }] })
    const value = edges.heard.at(-1) as { value: { deep: { list: number[] }[] } }
    expect(Object.isFrozen(value) && Object.isFrozen(value.value.deep[0]?.list)).toBe(true)
  })

  it('is thrown away as it comes when a line has 10 MB, and the line after it is answered', async () => {
    const framer = lines(1024 * 1024)
    const chunk = Buffer.alloc(64 * 1024, 0x7b)
    for (let sent = 0; sent < 10_000_000; sent += chunk.length) expect(framer.push(chunk)).toEqual([])
    expect(framer.push(Buffer.from('\n{}\n'))).toEqual([undefined, Buffer.from('{}')])
    const { tried, refused, cpuMs, grownBytes } = await longLineCost(edges)
    process.stdout.write(`10 MB in a line: ${cpuMs.toFixed(1)} ms of processor time, ${grownBytes} bytes more memory\n`)
    expect(refused).toBe(tried)
    // What is not collected yet counts as well: several lines of what was read, and not what all of them hold.
    expect(grownBytes).toBeLessThan(200 * 1024 * 1024)
  })

  it('is judged rightly, and at once, when it has 250 kB in any shape', async () => {
    const { tried, wrong, maxMs, maxCpuMs } = await bodyCosts(edges)
    process.stdout.write(`${tried} bodies of 250 kB: longest stop ${maxMs.toFixed(1)} ms, of processor time ${maxCpuMs.toFixed(1)}\n`) // prettier-ignore
    expect(wrong).toEqual([])
  })

  it('leaves memory as it was', async () => {
    const text = Buffer.from(`[${'{"a":"b"},'.repeat(100_000)}`)
    const send = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) for (const door of edges.doors) await door.say(text)
    }
    await send(5)
    const before = inUse()
    // Sixty rounds send 120 MB.
    await send(60)
    await until(() => inUse() - before < 50 * 1024 * 1024)
  })

  it('leaves a gateway that answers, lines that are lines, and evidence that verifies', async () => {
    expect(await heardOf('still here\r\n\u2028"')).toEqual(['still here\r\n\u2028"', 'still here\r\n\u2028"'])
    for (const line of linesWritten()) expect(JSON.parse(line) as JsonObject).toBeTypeOf('object')
    const report = await verifyEvidence({ path: edges.gateway.data })
    expect(report.problems.filter(({ code }) => code !== 'OPEN_TAIL')).toEqual([])
    expect(edges.crashes()).toEqual([])
  })
})
