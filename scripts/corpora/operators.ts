import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { algorithms } from '../../src/ports/issuer-keys.ts'
import { connectRecorder } from '../../test/support/connect-recorder.ts'
import { mint } from '../../test/support/tokens.ts'
import { forgeries } from './attacks.ts'
import { faultsIn } from './edge.ts'
import { isHonest, isServed, listenBehind, openBench, type Bench } from './operator-bench.ts'
import { properties } from './properties.ts'

/** One attack on tokens; `allow` marks the control that must pass. */
export interface OperatorRow {
  readonly id: string
  readonly allow?: boolean
}

export interface OperatorCounts {
  readonly operators: number
  /** Attacks of which one attempt got through, with the attempt. */
  readonly accepted: readonly string[]
  /** Operators this version does not know how to apply. */
  readonly unknown: readonly string[]
  /** False when an unchanged token was refused: then nothing else means anything. */
  readonly control: boolean
  readonly attempts: number
  /** Faults that the gateways reported meanwhile. */
  readonly crashes: readonly string[]
}

/** Applies every operator to tokens minted with the gateway's own configured issuers, over HTTP, once per algorithm. */
export async function tryOperators(rows: readonly OperatorRow[]): Promise<OperatorCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'sluicegate-operators-'))
  const behind = await listenBehind()
  const attacks = rows.filter(({ allow }) => allow !== true).map(({ id }) => id)
  const known = attacks.filter(isKnown)
  const tried: Tried[] = []
  try {
    for (const alg of algorithms) tried.push(await triedWith(await openBench(folder, mint(alg), behind), known))
  } finally {
    behind.server.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    operators: known.length,
    accepted: tried.flatMap(({ accepted }) => accepted),
    unknown: attacks.filter((id) => !isKnown(id)),
    control: tried.every(({ control }) => control),
    attempts: tried.reduce((sum, { attempts }) => sum + attempts, 0),
    crashes: tried.flatMap(({ crashes }) => crashes),
  }
}

type Tried = Omit<OperatorCounts, 'operators' | 'unknown'>

/** All attacks on one gateway, between two honest calls. Closes it. */
async function triedWith(bench: Bench, ids: readonly string[]): Promise<Tried> {
  const { gateway, forge } = bench
  const accepted: string[] = []
  const before = await isHonest(bench)
  for (const id of ids) accepted.push(...(await applied(bench, id)).map((how) => `${id} (${forge.own.alg}): ${how}`))
  const control = before && (await isHonest(bench))
  await gateway.close()
  return { accepted, control, attempts: bench.attempts, crashes: faultsIn(gateway.reported) }
}

const isKnown = (id: string): boolean => Object.hasOwn(forgeries, id) || Object.hasOwn(properties, id)

/** What got through: tokens that were served, properties that do not hold, and sockets opened because a token said so. */
async function applied(bench: Bench, id: string): Promise<readonly string[]> {
  const through: string[] = []
  using recorder = connectRecorder(Number(new URL(bench.behind.url).port), ['127.0.0.1'])
  const tokens = Object.hasOwn(forgeries, id) ? forgeries[id]?.(bench.forge) : undefined
  for (const token of tokens ?? []) if (await isServed(bench, token)) through.push(token.slice(0, 60))
  if (Object.hasOwn(properties, id)) through.push(...((await properties[id]?.(bench)) ?? []))
  return [...through, ...recorder.opened.map(({ host }) => `a socket to ${host}`)]
}
