import { distinct, shown, summaryOf, type Tried } from './report.ts'

/** Of the rows that are as they should be, this part must be taken: one that refuses everything is no defence. */
const takenMin = 0.95

/** Every floor that was missed, one sentence each with what missed it. Empty when all hold. */
export function missedFloors(tried: Tried): readonly string[] {
  const { egress, tokens, operators, bytes, messages, sizes } = tried
  const { line, bodies } = sizes
  return [
    ...none('sockets opened to must-block destinations', egress.leaks),
    ...most('must-allow destinations not reached', egress.missed, egress.mustAllow, 0.99),
    ...none('forged tokens accepted', tokens.accepted),
    ...none('valid tokens refused', tokens.refused),
    ...none('attacks on tokens got through', operators.accepted),
    ...none('malformed texts accepted', bytes.accepted),
    ...most('plain JSON texts refused', bytes.overStrict, bytes.json, takenMin),
    ...none('malformed messages accepted', messages.accepted),
    ...most('examples refused', messages.refused, messages.examples, takenMin),
    ...(line.refused < line.tried ? ['A line of 10 MB was not refused, or nothing was answered after it.'] : []),
    ...none('bodies of 250 kB judged wrongly', bodies.wrong),
    ...none('crashes', [...bytes.crashes, ...messages.crashes, ...operators.crashes]),
  ]
}

/** Why the run shows less than it says, one sentence each: rows that are not there, and counting that is deaf. */
export function gapsIn({ problems, ...tried }: Omit<Tried, 'problems'> & Pick<Tried, 'problems'>): readonly string[] {
  const { ssrf, jwt, json, mcp } = summaryOf({ ...tried, problems })
  const { egress, operators, blind } = tried
  const empty = Object.entries({
    'URLs that must be blocked': ssrf.mustBlock,
    'URLs that must be allowed': ssrf.mustAllow,
    'invalid tokens': jwt.invalid,
    'valid tokens': jwt.valid,
    'attacks on tokens': jwt.operators,
    'texts that must be refused': json.reject,
    'messages that must be refused': mcp.reject,
  }).flatMap(([kind, count]) => (count === 0 ? [`There were no ${kind}, so nothing is shown about them.`] : []))
  return [
    ...problems,
    ...empty,
    ...(operators.unknown.length > 0 ? [`Attacks not known here, and not tried: ${shown(operators.unknown)}.`] : []),
    ...(operators.control ? [] : ['An unchanged token was refused, so the attacks show nothing.']),
    ...(egress.unheard.length > 0 ? [`The recorder did not hear ${shown(egress.unheard)}.`] : []),
    ...(blind.length > 0 ? [`Rows labelled wrongly on purpose were not found: ${shown(blind)}.`] : []),
  ]
}

const none = (what: string, found: readonly string[]): readonly string[] =>
  found.length === 0 ? [] : [`${found.length} ${what}: ${shown(found)}`]

function most(what: string, found: readonly string[], all: number, part: number): readonly string[] {
  return all - distinct(found) < part * all ? none(what, found) : []
}
