import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { listenStdio } from '../../src/server/stdio.ts'
import { modern } from '../../test/support/wire.ts'
import { echoing, type Edges } from './edge.ts'
import { duringTurns } from './loop-delay.ts'

/** What one line of 10 MB costs the listener that refuses it. */
export interface LineCost {
  /** How often it was refused, and the line after it answered. */
  readonly refused: number
  readonly tried: number
  /** Processor time of the thread, milliseconds: the middle one of all tries. */
  readonly cpuMs: number
  /** Most that the process grew while it came, bytes. */
  readonly grownBytes: number
}

const tries = 5
const chunk = Buffer.alloc(64 * 1024, '{"a":[1,"b"')
const chunks = Math.ceil(10_000_000 / chunk.length)

/** Writes a line of 10 MB to standard input, in the pieces that a pipe makes of it, and a good one behind it. */
export async function longLineCost({ gateway }: Edges): Promise<LineCost> {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const { service } = gateway.started.gateway
  const credential = { kind: 'bearer', token: gateway.token() } as const
  const fault = (error: unknown) => {
    throw error
  }
  const listener = await listenStdio({ service, shows: () => credential, input, output, fault })
  const costs: { cpuMs: number; grownBytes: number; refused: boolean }[] = []
  for (let count = 0; count < tries; count += 1) costs.push(await oneLine(input, output))
  await listener.close()
  const sorted = costs.map(({ cpuMs }) => cpuMs).toSorted((one, other) => one - other)
  return {
    tried: tries,
    refused: costs.filter(({ refused }) => refused).length,
    cpuMs: sorted[Math.floor(tries / 2)] ?? 0,
    grownBytes: Math.max(...costs.map(({ grownBytes }) => grownBytes)),
  }
}

async function oneLine(input: PassThrough, output: PassThrough) {
  let said = ''
  const hear = (piece: Buffer) => void (said += piece.toString())
  output.on('data', hear)
  const before = process.memoryUsage.rss()
  let most = before
  const began = process.threadCpuUsage()
  for (let sent = 0; sent < chunks; sent += 1) {
    if (!input.write(chunk)) await once(input, 'drain')
    most = Math.max(most, process.memoryUsage.rss())
  }
  input.write('\n')
  while (!said.includes('\n')) await new Promise((resolve) => setImmediate(resolve))
  const { user, system } = process.threadCpuUsage(began)
  input.write(`${JSON.stringify(modern('tools/list').body)}\n`)
  while (!said.includes('"tools"')) await new Promise((resolve) => setImmediate(resolve))
  output.off('data', hear)
  const refused = said.includes('-32600') && said.indexOf('-32600') < said.indexOf('"tools"')
  return { cpuMs: (user + system) / 1000, grownBytes: most - before, refused }
}

/** What bodies of 250 kB cost, in shapes that are hard on readers. */
export interface BodyCosts {
  readonly tried: number
  /** Those that were taken and should not be, or the other way around. */
  readonly wrong: readonly string[]
  /** Longest stop of the event loop over any of them: by the clock, and in processor time of the thread. */
  readonly maxMs: number
  readonly maxCpuMs: number
}

const sizeBytes = 250_000

const filled = (unit: string, before = '["', after = '"]'): string =>
  before + unit.repeat(Math.floor((sizeBytes - before.length - after.length) / Buffer.byteLength(unit))) + after

/** Arguments that are fine, and very large. */
const good: Readonly<Record<string, string>> = {
  'one string': filled('a'),
  escapes: filled('\\u00e9'),
  'quotes in strings': filled('\\"'),
  'letters of four bytes': filled('😀'),
  'words and addresses': filled('call 555 0100 or write to jo@example.com, '),
  'card numbers': filled('4111 1111 1111 1111 '),
  'lists in lists': filled(`${'['.repeat(20)}${']'.repeat(20)},`, '[', '0]'),
}

/** What must be refused, each at its very end or for its amount. */
const bad: Readonly<Record<string, string>> = {
  'never closed': filled('{"a":"b"},', '[', ''),
  'only opening': '['.repeat(sizeBytes),
  'a number of a quarter million digits': `[${'7'.repeat(sizeBytes)}]`,
  'a fraction that long': `[0.${'0'.repeat(sizeBytes)}1]`,
  'a duplicate key at the end': `{"a":1,"b":${filled('a')},"a":2}`,
  'a lone surrogate at the end': filled('a', '["', '\\ud800"]'),
  'more items than may be': filled('1,', '[', '1]'),
  'more keys than may be': `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":1`).join(',')}}`,
  'no string at the end': filled('\\u00e9', '["', '\\u00e"]'),
}

/** Sends each as an argument of a call, through each door, after one of each that does not count: nothing is fast at first. */
export async function bodyCosts(edges: Edges): Promise<BodyCosts> {
  const all = [...Object.entries(good), ...Object.entries(bad)]
  for (const [, text] of all) await sent(edges, text)
  const wrong: string[] = []
  let [maxMs, maxCpuMs] = [0, 0]
  for (const [name, text] of all) {
    const cost = await duringTurns(() => sent(edges, text))
    maxMs = Math.max(maxMs, cost.maxMs)
    maxCpuMs = Math.max(maxCpuMs, cost.maxCpuMs)
    if (cost.value !== (name in good ? edges.doors.length : 0)) wrong.push(name)
  }
  return { tried: all.length * edges.doors.length, wrong, maxMs, maxCpuMs }
}

/** How many doors let it through to the tool. */
async function sent({ doors, heard }: Edges, text: string): Promise<number> {
  const before = heard.length
  const { bytes, headers } = echoing(Buffer.from(text))
  for (const door of doors) await door.say(bytes, headers)
  return heard.length - before
}
