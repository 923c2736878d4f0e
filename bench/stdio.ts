import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { judgeGoverned, judgeStock, type Judge } from './judge.ts'
import { median } from './statistics.ts'
import { callText } from './wire.ts'

/** A server on the other end of two pipes. */
export interface StdioSubject {
  readonly mode: string
  readonly file: string
  /** Where it keeps its data; none for the stock side. */
  readonly directory?: string
}

/** Latency with one call under way, median of the rounds' medians. */
export interface StdioResult {
  readonly mode: string
  readonly directory?: string
  readonly p50Ms: number
  readonly answered: number
  readonly wrong: number
  readonly example?: string
}

interface Server {
  readonly subject: StdioSubject
  readonly judge: Judge
  readonly pipes: Pipes
  readonly p50sMs: number[]
  answered: number
  wrong: number
  example?: string
}

export interface StdioBench {
  readonly rounds: number
  readonly durationMs: number
  readonly say: (what: string) => void
}

/** Calls each server in turn, round after round, one call at a time. */
export async function benchStdio(
  subjects: readonly StdioSubject[],
  bench: StdioBench,
): Promise<readonly StdioResult[]> {
  const servers = subjects.map(start)
  for (const server of servers) await callFor(server, bench.durationMs)
  for (let round = 0; round < bench.rounds; round++) {
    bench.say(`stdio, round ${round + 1} of ${bench.rounds}`)
    for (const server of servers) server.p50sMs.push(await callFor(server, bench.durationMs))
  }
  for (const { pipes } of servers) await pipes.close()
  return servers.map(({ subject: { mode, directory }, p50sMs, answered, wrong, example }) => ({
    mode,
    ...(directory !== undefined && { directory }),
    p50Ms: median(p50sMs),
    answered,
    wrong,
    ...(example !== undefined && { example }),
  }))
}

function start(subject: StdioSubject): Server {
  const judge = subject.directory === undefined ? judgeStock : judgeGoverned
  return { subject, judge, pipes: openPipes(subject), p50sMs: [], answered: 0, wrong: 0 }
}

async function callFor(server: Server, durationMs: number): Promise<number> {
  const latenciesMs: number[] = []
  const untilMs = performance.now() + durationMs
  while (performance.now() < untilMs) {
    const ordinal = server.answered
    const body = callText('modern', ordinal)
    const beganMs = performance.now()
    const answer = await server.pipes.post(body)
    latenciesMs.push(performance.now() - beganMs)
    server.answered += 1
    const problem = server.judge(ordinal, answer)
    if (problem === undefined) continue
    server.wrong += 1
    server.example ??= problem
  }
  return median(latenciesMs)
}

interface Pipes {
  /** Writes a line and gives the next one. Rejects when the process ends. */
  post(line: string): Promise<string>
  /** Closes its input, and rejects when it does not end well. */
  close(): Promise<void>
}

function openPipes({ file, directory }: StdioSubject): Pipes {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const args = directory === undefined ? [path] : [path, directory]
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let waiting: PromiseWithResolvers<string> | undefined
  createInterface({ input: child.stdout }).on('line', (line) => waiting?.resolve(line))
  void ended.then((code) => waiting?.reject(new Error(`${file} ended with ${code}`)))
  return {
    post(line) {
      waiting = Promise.withResolvers<string>()
      child.stdin.write(`${line}\n`)
      return waiting.promise
    },
    async close() {
      waiting = undefined
      child.stdin.end()
      const code = await ended
      if (code !== 0) throw new Error(`${file} ended with ${code}`)
    },
  }
}
