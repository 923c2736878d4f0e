import { createServer, type Server } from 'node:http'
import { createServer as createTcp, connect, type AddressInfo, type Server as TcpServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { startChild } from './child.ts'
import { openConnection, type Connection } from './connection.ts'
import type { Plan } from './options.ts'
import { quantile } from './statistics.ts'
import { headersOf, textOf } from './wire.ts'

/** What a disturbance costs callers that have nothing to do with it. Milliseconds, over all rounds. */
export interface Beside {
  readonly what: string
  readonly aloneMs: number
  readonly besideMs: number
  /** Calls of the disturber that were refused; a dash for one that makes none. */
  readonly refused: string
  /** An honest call that was not answered as it should be: then the run does not count. */
  readonly problem?: string
}

export interface BesideBench {
  readonly plan: Pick<Plan, 'besideRounds' | 'besideMs'>
  readonly directory: string
  readonly say: (what: string) => void
}

/** Goes on until its `stop` is called, which tells how many of its calls were refused. */
interface Disturbance {
  readonly what: string
  begin(listening: Listening): { stop(): string }
}

interface Listening {
  readonly port: number
  readonly honest: string
  readonly noisy: string
  readonly abroad: string
}

const tool = 'orders.export'
const honestConnections = 4
const warmUpMs = 1_500
const slowClientsMany = 1_000
/** Fifty times the noisy tenant's limit of two a second. */
const noisePerS = 100
const abroadPerS = 50

const disturbances: readonly Disturbance[] = [
  { what: `${slowClientsMany} slow clients`, begin: slowClients },
  { what: 'a tenant at 50 times its limit', begin: ({ port, noisy }) => paced(port, noisy, noisePerS) },
  { what: 'a dead service', begin: ({ port, abroad }) => paced(port, abroad, abroadPerS) },
]

/** Honest calls alone and beside each disturbance, in turns, against one gateway. */
export async function benchBeside({ plan, directory, say }: BesideBench): Promise<readonly Beside[]> {
  const [fine, dead] = [await listening(orders()), await listening(createTcp((socket) => void socket.on('error', () => undefined).resume()))] // prettier-ignore
  const child = await startChild<Listening>('serve-beside.ts', [directory, String(fine.port), String(dead.port)])
  await honestCalls(child.ready, warmUpMs)
  const results: Beside[] = []
  for (const disturbance of disturbances) {
    say(`calls beside ${disturbance.what}`)
    results.push(await beside(disturbance, child.ready, plan))
  }
  await child.close()
  for (const { close } of [fine, dead]) close()
  return results
}

async function beside({ what, begin }: Disturbance, at: Listening, plan: BesideBench['plan']): Promise<Beside> {
  const [alone, disturbed]: [number[], number[]] = [[], []]
  let [problem, refused]: (string | undefined)[] = []
  for (let round = 0; round < plan.besideRounds; round++) {
    const one = await honestCalls(at, plan.besideMs)
    const disturber = begin(at)
    await wait(200)
    const other = await honestCalls(at, plan.besideMs)
    refused = disturber.stop()
    await wait(200)
    alone.push(...one.latenciesMs)
    disturbed.push(...other.latenciesMs)
    problem ??= one.problem ?? other.problem
  }
  return {
    what,
    aloneMs: quantile(alone, 0.99),
    besideMs: quantile(disturbed, 0.99),
    refused: refused ?? '–',
    ...(problem !== undefined && { problem: `beside ${what}: ${problem}` }),
  }
}

async function honestCalls({ port, honest }: Listening, durationMs: number) {
  const open = await Promise.all(Array.from({ length: honestConnections }, () => opened(port, honest)))
  const latenciesMs: number[] = []
  let problem: string | undefined
  const untilMs = performance.now() + durationMs
  const call = async (connection: Connection) => {
    while (performance.now() < untilMs) {
      const beganMs = performance.now()
      const answer = await connection.post(nextCall())
      latenciesMs.push(performance.now() - beganMs)
      if (!isAnswer(answer)) problem ??= answer.slice(0, 400)
    }
  }
  await Promise.all(open.map(call))
  for (const connection of open) connection.close()
  return { latenciesMs, problem }
}

const opened = (port: number, token: string): Promise<Connection> =>
  openConnection({ port, headers: { ...headersOf('modern', tool), authorization: `Bearer ${token}` } })

const isAnswer = (text: string): boolean => text.startsWith('HTTP/1.1 200') && !text.includes('"isError":true')

let calls = 0
/** Each asks for another day, so that nobody takes it for a loop. */
function nextCall(): string {
  const day = new Date(Date.UTC(2000, 0, 1 + (calls++ % 10_000))).toISOString().slice(0, 10)
  return textOf('modern', calls, tool, { from: day, to: day })
}

/** Calls at a steady rate, whatever becomes of them; what finds no free connection is left out. */
function paced(port: number, token: string, perS: number) {
  const free: Connection[] = []
  const all: Connection[] = []
  let [made, refused] = [0, 0]
  let over = false
  const call = async () => {
    const connection = free.pop() ?? (all.length < 64 ? await opened(port, token).then(kept) : undefined)
    if (!connection || over) return
    made += 1
    const answer = await connection.post(nextCall())
    if (!isAnswer(answer)) refused += 1
    free.push(connection)
  }
  const kept = (connection: Connection): Connection => {
    all.push(connection)
    return connection
  }
  const beganMs = performance.now()
  let begun = 0
  const timer = setInterval(() => {
    for (; begun < ((performance.now() - beganMs) / 1000) * perS; begun += 1) void call().catch(() => undefined)
  }, 5)
  return {
    stop() {
      over = true
      clearInterval(timer)
      for (const connection of all) connection.close()
      return `${refused} of ${made}`
    },
  }
}

/** Silent ones, ones in the middle of their headers, and ones in the middle of a body. */
function slowClients({ port, honest }: Listening) {
  const head = `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${honest}\r\n`
  const beginnings = ['', `${head}x-slow: `, `${head}content-type: application/json\r\ncontent-length: 9999\r\n\r\n{`]
  const sockets = Array.from({ length: slowClientsMany }, (_, n) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    return socket.once('connect', () => void socket.write(beginnings[n % beginnings.length] ?? ''))
  })
  const trickle = setInterval(() => sockets.forEach((socket, n) => n % 3 > 0 && socket.writable && socket.write('x')), 400) // prettier-ignore
  return {
    stop() {
      clearInterval(trickle)
      for (const socket of sockets) socket.destroy()
      return '–'
    },
  }
}

function orders(): Server {
  return createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"total":0,"orders":[]}')
  })
}

async function listening(server: Server | TcpServer): Promise<{ readonly port: number; close(): void }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, close: () => void server.close().unref() }
}
