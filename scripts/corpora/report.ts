import type { EgressCounts } from './egress.ts'
import type { BytesCounts } from './json-bytes.ts'
import type { MessageCounts } from './messages.ts'
import type { OperatorCounts } from './operators.ts'
import type { TokenCounts } from './tokens.ts'

/** Everything that was tried. */
export interface Tried {
  readonly egress: EgressCounts
  readonly tokens: TokenCounts
  readonly operators: OperatorCounts
  readonly bytes: BytesCounts
  readonly messages: MessageCounts
  /** Faults and unhandled rejections beside what a row caused while it was sent. */
  readonly crashes: readonly string[]
  readonly maxLoopDelayMs: number
}

/** The one object of `--json`. */
export function summaryOf({ egress, tokens, operators, bytes, messages, crashes, maxLoopDelayMs }: Tried) {
  const { mustBlock, leaks, mustAllow, reached } = egress
  return {
    ssrf: { mustBlock, leaked: leaks.length, mustAllow, reached },
    jwt: {
      invalid: tokens.invalid,
      accepted: tokens.accepted.length,
      valid: tokens.valid,
      validAccepted: tokens.valid - tokens.refused.length,
      operators: operators.operators,
      operatorsAccepted: new Set(operators.accepted.map((one) => one.split(' ')[0])).size,
    },
    json: { reject: bytes.reject, accepted: bytes.accepted.length, crashes: bytes.crashes.length + crashes.length },
    mcp: { reject: messages.reject, accepted: messages.accepted.length, crashes: messages.crashes.length },
    maxLoopDelayMs: Number(maxLoopDelayMs.toFixed(1)),
  }
}

/** Every floor that was missed, one sentence each with what missed it. Empty when all hold. */
export function missedFloors(tried: Tried): readonly string[] {
  const { egress, tokens, operators, bytes, messages, crashes } = tried
  const none = (what: string, found: readonly string[]): readonly string[] =>
    found.length === 0 ? [] : [`${found.length} ${what}: ${shown(found)}`]
  return [
    ...none('sockets opened to must-block destinations', egress.leaks),
    ...(egress.reached < 0.99 * egress.mustAllow ? none('must-allow destinations not reached', egress.missed) : []),
    ...none('forged tokens accepted', tokens.accepted),
    ...none('valid tokens refused', tokens.refused),
    ...none('attacks on tokens got through', operators.accepted),
    ...(operators.control ? [] : ['An unchanged token was refused, so the attacks show nothing.']),
    ...none('malformed texts accepted', bytes.accepted),
    ...none('malformed messages accepted', messages.accepted),
    ...none('crashes', [...bytes.crashes, ...messages.crashes, ...crashes]),
  ]
}

/** The table a person reads. */
export function reportText(tried: Tried): string {
  const { ssrf, jwt, json, mcp, maxLoopDelayMs } = summaryOf(tried)
  const { egress, operators, bytes, messages } = tried
  const taken = messages.examples - new Set(messages.refused.map((one) => one.split(' ')[0])).size
  return [
    '| corpus | tried | result | floor |',
    '|---|---|---|---|',
    `| SSRF, must block | ${ssrf.mustBlock} URLs, ${egress.fetches} fetches | ${ssrf.leaked} sockets | 0 |`,
    `| SSRF, must allow | ${ssrf.mustAllow} URLs | ${ssrf.reached} reached | 99 % |`,
    `| JWT, invalid | ${jwt.invalid} tokens | ${jwt.accepted} accepted | 0 |`,
    `| JWT, valid | ${jwt.valid} tokens | ${jwt.validAccepted} accepted | all |`,
    `| JWT, attacks | ${jwt.operators} attacks, ${operators.attempts} requests | ${jwt.operatorsAccepted} got through | 0 |`,
    `| JSON | ${json.reject} must be refused | ${json.accepted} accepted, ${json.crashes} crashes | 0, 0 |`,
    `| MCP | ${mcp.reject} must be refused | ${mcp.accepted} accepted, ${mcp.crashes} crashes | 0, 0 |`,
    `| MCP, examples | ${messages.examples} | ${taken} taken | shown |`,
    `| event loop | JSON and MCP rows | longest stop ${maxLoopDelayMs} ms | goal 50 |`,
    '',
    ...(bytes.overStrict.length > 0 ? [`Refused though RFC 8259 allows them: ${shown(bytes.overStrict)}`, ''] : []),
    ...(operators.unknown.length > 0 ? [`Attacks not known here, and not tried: ${shown(operators.unknown)}`, ''] : []),
    ...(messages.refused.length > 0 ? [`Examples refused: ${shown(messages.refused)}`, ''] : []),
  ].join('\n')
}

/** The first few, for the rest would scroll the reason away. */
function shown(found: readonly string[]): string {
  return found.slice(0, 20).join(', ') + (found.length > 20 ? ', …' : '')
}
