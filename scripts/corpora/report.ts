import type { EgressCounts } from './egress.ts'
import type { BytesCounts } from './json-bytes.ts'
import type { LoopDelay } from './loop-delay.ts'
import type { MessageCounts } from './messages.ts'
import type { OperatorCounts } from './operators.ts'
import type { BodyCosts, LineCost } from './sizes.ts'
import type { TokenCounts } from './tokens.ts'

/** Everything that was tried. */
export interface Tried {
  readonly egress: EgressCounts
  readonly tokens: TokenCounts
  readonly operators: OperatorCounts
  readonly bytes: BytesCounts
  readonly messages: MessageCounts
  /** While the JSON and MCP rows were sent. */
  readonly loop: LoopDelay
  /** Messages of our own that are too large, or nearly. */
  readonly sizes: { readonly line: LineCost; readonly bodies: BodyCosts }
  /** What the counting missed of rows whose label is wrong on purpose. */
  readonly blind: readonly string[]
  /** What of the folder could not be read, a sentence each. */
  readonly problems: readonly string[]
}

/** The one object of `--json`. The loop's delay is the longest stop of the round in the middle; the table has both. */
export function summaryOf({ egress, tokens, operators, bytes, messages, loop }: Tried) {
  const { mustBlock, leaks, mustAllow, reached } = egress
  return {
    ssrf: { mustBlock, leaked: leaks.length, mustAllow, reached },
    jwt: {
      invalid: tokens.invalid,
      accepted: tokens.accepted.length,
      valid: tokens.valid,
      validAccepted: tokens.valid - tokens.refused.length,
      operators: operators.operators,
      operatorsAccepted: distinct(operators.accepted),
    },
    json: { reject: bytes.reject, accepted: bytes.accepted.length, crashes: bytes.crashes.length },
    mcp: { reject: messages.reject, accepted: messages.accepted.length, crashes: messages.crashes.length },
    maxLoopDelayMs: Number(loop.medianMs.toFixed(1)),
  }
}

/** How many rows a list of `row (way)` names. */
export const distinct = (found: readonly string[]): number =>
  new Set(found.map((one) => one.replace(/ \(.*$/, ''))).size

/** The table a person reads. */
export function reportText(tried: Tried): string {
  const { ssrf, jwt, json, mcp, maxLoopDelayMs } = summaryOf(tried)
  const { egress, operators, bytes, messages, loop } = tried
  const taken = (all: number, refused: readonly string[]) => all - distinct(refused)
  return [
    '| corpus | tried | result | floor |',
    '|---|---|---|---|',
    `| SSRF, must block | ${ssrf.mustBlock} URLs, ${egress.fetches} fetches | ${ssrf.leaked} sockets | 0 |`,
    `| SSRF, must allow | ${ssrf.mustAllow} URLs | ${ssrf.reached} reached | 99 % |`,
    `| JWT, invalid | ${jwt.invalid} tokens | ${jwt.accepted} accepted | 0 |`,
    `| JWT, valid | ${jwt.valid} tokens | ${jwt.validAccepted} accepted | all |`,
    `| JWT, attacks | ${jwt.operators} attacks, ${operators.attempts} requests | ${jwt.operatorsAccepted} got through | 0 |`,
    `| JSON | ${json.reject} must be refused | ${json.accepted} accepted, ${json.crashes} crashes | 0, 0 |`,
    `| JSON, plain | ${bytes.json} | ${taken(bytes.json, [...bytes.overStrict, ...bytes.inexact])} taken | 95 %, but numbers |`,
    `| MCP | ${mcp.reject} must be refused | ${mcp.accepted} accepted, ${mcp.crashes} crashes | 0, 0 |`,
    `| MCP, examples | ${messages.examples} | ${taken(messages.examples, messages.refused)} taken | 95 % |`,
    `| event loop | JSON and MCP rows | longest stop ${loop.maxMs.toFixed(1)} ms, in the middle one of five rounds ${maxLoopDelayMs} ms | goal 50 |`,
    ...sizeRows(tried),
    '',
    ...noted('Refused by rule, for a number that no double keeps', bytes.inexact),
    ...noted('Refused though RFC 8259 allows them', bytes.overStrict),
    ...noted('Examples refused', messages.refused),
    ...noted('Examples that no client sends and no schema judges, not tried', messages.untried),
  ].join('\n')
}

function sizeRows({ sizes: { line, bodies } }: Tried): readonly string[] {
  const grown = `${(line.grownBytes / 1024 / 1024).toFixed(1)} MiB more memory`
  const stop = `longest stop ${bodies.maxMs.toFixed(1)} ms, ${bodies.maxCpuMs.toFixed(1)} ms of it processor time`
  return [
    `| 10 MB in one line | ${line.tried} lines on stdio | ${line.refused} refused, ${line.cpuMs.toFixed(1)} ms of processor time, ${grown} | all, goals 20 and 50 |`,
    `| 250 kB in one body | ${bodies.tried} bodies | ${bodies.wrong.length} judged wrongly, ${stop} | 0, goal 50 |`,
  ]
}

const noted = (what: string, found: readonly string[]): readonly string[] =>
  found.length === 0 ? [] : [`${what}: ${shown(found)}`, '']

/** The first few, for the rest would scroll the reason away. */
export function shown(found: readonly string[]): string {
  return found.slice(0, 20).join(', ') + (found.length > 20 ? ', …' : '')
}
