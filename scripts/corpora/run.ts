import { edgeBlindness, egressBlindness, tokenBlindness } from './controls.ts'
import { openEdges, type Edges } from './edge.ts'
import { tryEgress } from './egress.ts'
import { bytesForm, egressForm, messageForm, operatorsForm, tokenForm } from './forms.ts'
import { tryBytes, type BytesCounts, type BytesRow } from './json-bytes.ts'
import { duringLoop, loopDelayOf, type LoopDelay } from './loop-delay.ts'
import { tryMessages, type MessageCounts, type MessageRow } from './messages.ts'
import { tryOperators } from './operators.ts'
import type { Tried } from './report.ts'
import { reader } from './rows.ts'
import { bodyCosts, longLineCost } from './sizes.ts'
import { tryTokens } from './tokens.ts'

/** How often the hostile messages are sent: what one of them costs shows in every round. */
const rounds = 5

/** Runs every corpus of a folder through the product. What cannot be read of it is told, and the rest is tried. */
export async function runCorpora(folder: string): Promise<Tried> {
  const { rows, value, problems } = reader(folder)
  const egress = await tryEgress(rows('ssrf_urls.jsonl', egressForm))
  const tokens = await tryTokens(rows('jwt_vectors.jsonl', tokenForm))
  const listed = value('jwt_attack_operators.json', operatorsForm)?.operators ?? []
  const operators = await tryOperators(listed)
  await using edges = await openEdges()
  const blind = [...(await egressBlindness()), ...(await tokenBlindness()), ...(await edgeBlindness(edges))]
  const texts = rows('json_bytes.jsonl', bytesForm)
  const values = rows('mcp_messages.jsonl', messageForm)
  const { bytes, messages, loop } = await sentTo(edges, texts, values)
  const sizes = { line: await longLineCost(edges), bodies: await bodyCosts(edges) }
  return { egress, tokens, operators, bytes, messages, loop, sizes, blind, problems }
}

interface Malformed {
  readonly bytes: BytesCounts
  readonly messages: MessageCounts
  readonly loop: LoopDelay
}

/** All rounds count: what went wrong in one of them went wrong. */
async function sentTo(edges: Edges, texts: readonly BytesRow[], values: readonly MessageRow[]): Promise<Malformed> {
  const maxesMs: number[] = []
  const bytes: BytesCounts[] = []
  const messages: MessageCounts[] = []
  for (let round = 0; round < rounds; round += 1) {
    const { maxMs } = await duringLoop(async () => {
      bytes.push(await tryBytes(edges, texts))
      messages.push(await tryMessages(edges, values))
    })
    maxesMs.push(maxMs)
  }
  return { bytes: together(bytes), messages: together(messages), loop: loopDelayOf(maxesMs) }
}

/** The counts of several rounds over the same rows: figures of the first, and whatever any of them found. */
function together<Counts extends object>(all: readonly Counts[]): Counts {
  const [first] = all as readonly [Counts]
  const merged = Object.entries(first).map(([name, value]) => {
    if (!Array.isArray(value)) return [name, value]
    return [name, [...new Set(all.flatMap((counts) => counts[name as keyof Counts] as readonly string[]))]]
  })
  return Object.fromEntries(merged) as Counts
}
