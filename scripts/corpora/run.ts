import { openEdges, type Edges } from './edge.ts'
import { tryEgress, type EgressRow } from './egress.ts'
import { tryBytes, type BytesCounts, type BytesRow } from './json-bytes.ts'
import { duringLoop } from './loop-delay.ts'
import { tryMessages, type MessageCounts, type MessageRow } from './messages.ts'
import { tryOperators, type OperatorRow } from './operators.ts'
import type { Tried } from './report.ts'
import { rowsOf, textOf } from './rows.ts'
import { tryTokens, type TokenRow } from './tokens.ts'

/** How often the hostile messages are sent. What they cost shows in every round; what the machine did meanwhile does not. */
const rounds = 3

/** Runs every corpus of a folder through the product. */
export async function runCorpora(folder: string): Promise<Tried> {
  const { operators } = JSON.parse(textOf(folder, 'jwt_attack_operators.json')) as {
    readonly operators: readonly OperatorRow[]
  }
  const egress = await tryEgress(rowsOf<EgressRow>(folder, 'ssrf_urls'))
  const tokens = await tryTokens(rowsOf<TokenRow>(folder, 'jwt_vectors'))
  const attacked = await tryOperators(operators)
  await using edges = await openEdges()
  const malformed = await sentTo(edges, folder)
  return { egress, tokens, operators: attacked, ...malformed, crashes: edges.crashes }
}

interface Malformed {
  readonly bytes: BytesCounts
  readonly messages: MessageCounts
  readonly maxLoopDelayMs: number
}

async function sentTo(edges: Edges, folder: string): Promise<Malformed> {
  const texts = rowsOf<BytesRow>(folder, 'json_bytes')
  const values = rowsOf<MessageRow>(folder, 'mcp_messages')
  const once = () =>
    duringLoop(async () => ({ bytes: await tryBytes(edges, texts), messages: await tryMessages(edges, values) }))
  let { value, maxMs } = await once()
  for (let round = 1; round < rounds; round += 1) {
    const next = await once()
    value = worse(value, next.value)
    maxMs = Math.min(maxMs, next.maxMs)
  }
  return { ...value, maxLoopDelayMs: maxMs }
}

/** The round in which more went wrong. */
function worse<Round extends Omit<Malformed, 'maxLoopDelayMs'>>(one: Round, other: Round): Round {
  const wrong = ({ bytes, messages }: Round): number =>
    bytes.accepted.length + bytes.crashes.length + messages.accepted.length + messages.crashes.length
  return wrong(other) > wrong(one) ? other : one
}
