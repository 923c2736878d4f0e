import { join } from 'node:path'
import { startChild, type Child } from './child.ts'
import type { Target } from './connection.ts'
import { judgeGoverned, judgeStock, type Judge } from './judge.ts'
import { underLoad, type Measured } from './load.ts'
import type { Plan } from './options.ts'
import { median } from './statistics.ts'
import { headersOf, initializedText, initializeText, type Era } from './wire.ts'

export const governedMode = 'governed'

/** What one mode did, medians over the rounds. */
export interface ModeResult {
  readonly mode: string
  readonly perS32: number
  readonly p50Ms32: number
  readonly p99Ms32: number
  readonly p50Ms1: number
  readonly cpuUs: number
  readonly rssMb: number
  /** Every call that was made, warm-up included. */
  readonly answered: number
  readonly wrong: number
  readonly example?: string
}

interface Server {
  readonly mode: string
  readonly era: Era
  readonly judge: Judge
  readonly target: Target
  readonly child: Child<Listening>
  readonly rounds: Round[]
  answered: number
  wrong: number
  example?: string
}

interface Round {
  readonly many: Measured
  readonly one: Measured
  readonly cpuUs: number
  readonly rssMb: number
}

interface Listening {
  readonly port: number
  readonly token?: string
}

const stockModes = ['v1-stateless', 'v1-session', 'v2-session', 'v2-modern']

export interface HttpBench {
  readonly plan: Plan
  /** Where the governed server keeps its data. */
  readonly directory: string
  readonly profileDirectory?: string
  readonly say: (what: string) => void
}

/** Loads every mode in turn, round after round, all servers up throughout; each round begins with another mode. */
export async function benchHttp(bench: HttpBench): Promise<readonly ModeResult[]> {
  const servers: Server[] = []
  for (const mode of stockModes) servers.push(await startStock(mode))
  servers.push(await startGoverned(bench))
  bench.say('http, warming up')
  for (const server of servers) while (server.answered < bench.plan.warmUpCalls) await load(server, 32, 250)
  for (let round = 0; round < bench.plan.rounds; round++) {
    bench.say(`http, round ${round + 1} of ${bench.plan.rounds}`)
    for (const server of rotated(servers, round)) server.rounds.push(await measure(server, bench.plan))
  }
  for (const { child } of servers) await child.close()
  return servers.map(resultOf)
}

const rotated = <T>(all: readonly T[], by: number): readonly T[] => {
  const at = by % all.length
  return [...all.slice(at), ...all.slice(0, at)]
}

async function measure(server: Server, plan: Plan): Promise<Round> {
  await load(server, 32, plan.settleMs)
  const before = await server.child.usage()
  const many = await load(server, 32, plan.manyMs)
  const after = await server.child.usage()
  await load(server, 1, plan.settleMs)
  const one = await load(server, 1, plan.oneMs)
  return { many, one, cpuUs: (after.cpuUs - before.cpuUs) / many.answered, rssMb: after.rssMb }
}

async function load(server: Server, connections: number, durationMs: number): Promise<Measured> {
  const { target, era, judge, answered: firstOrdinal } = server
  const measured = await underLoad({ target, era, judge, connections, durationMs, firstOrdinal })
  server.answered += measured.answered
  server.wrong += measured.wrong
  if (server.example === undefined && measured.example !== undefined) server.example = measured.example
  return measured
}

async function startStock(mode: string): Promise<Server> {
  const child = await startChild<Listening>('serve-stock.ts', [mode])
  const era = mode === 'v2-modern' ? 'modern' : 'legacy'
  const { port } = child.ready
  const session = mode.endsWith('-session') ? await openSession(port) : {}
  const target = { port, headers: { ...headersOf(era), ...session } }
  return { mode, era, judge: judgeStock, target, child, rounds: [], answered: 0, wrong: 0 }
}

async function openSession(port: number): Promise<Readonly<Record<string, string>>> {
  const post = (body: string, headers: Readonly<Record<string, string>>) =>
    fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers: { ...headersOf('legacy'), ...headers }, body })
  const opened = await post(initializeText, {})
  const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
  await opened.text()
  await (await post(initializedText, session)).text()
  return session
}

async function startGoverned({ directory, profileDirectory }: HttpBench): Promise<Server> {
  const profiled = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]
  const child = await startChild<Listening>('serve-governed.ts', [join(directory, 'http')], profiled)
  const { port, token } = child.ready
  const target = { port, headers: { ...headersOf('modern'), authorization: `Bearer ${token}` } }
  const judge = judgeGoverned
  return { mode: governedMode, era: 'modern', judge, target, child, rounds: [], answered: 0, wrong: 0 }
}

function resultOf({ mode, rounds, answered, wrong, example }: Server): ModeResult {
  const middle = (of: (round: Round) => number) => median(rounds.map(of))
  return {
    mode,
    perS32: middle(({ many }) => many.perS),
    p50Ms32: middle(({ many }) => many.p50Ms),
    p99Ms32: middle(({ many }) => many.p99Ms),
    p50Ms1: middle(({ one }) => one.p50Ms),
    cpuUs: middle(({ cpuUs }) => cpuUs),
    rssMb: middle(({ rssMb }) => rssMb),
    answered,
    wrong,
    ...(example !== undefined && { example }),
  }
}
