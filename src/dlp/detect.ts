import { assignments } from './assignments.ts'
import { emails } from './email.ts'
import type { Facts } from './facts.ts'
import { factsOf } from './facts.ts'
import { colonAddresses, otherMacs } from './ip.ts'
import type { KeyFacts } from './keys.ts'
import type { Meter } from './meter.ts'
import { numbers } from './numbers.ts'
import { encodedRuns, runMin } from './runs.ts'
import { scannedSsns } from './scanned.ts'
import { connectionStrings, jwts, privateKeys, vendorTokens } from './secrets.ts'
import type { Span } from './span.ts'
import { withoutOverlaps } from './span.ts'
import { decodedView } from './views.ts'

/** How many layers of encoding are undone before a text counts as opaque. */
const layersMax = 2

/**
 * All personal data and secrets in one text, in order and without overlaps; a member's name, when given, is evidence too.
 * Work grows linearly with the text; throws `ScanLimit` when the meter says so.
 */
export function detect(text: string, work: Meter, key?: KeyFacts): readonly Span[] {
  return withoutOverlaps(read(text, work, key, layersMax))
}

function read(text: string, work: Meter, key: KeyFacts | undefined, layers: number): readonly Span[] {
  work.step(text.length)
  const facts = factsOf(text)
  const spans = recognize(text, facts, work, key)
  if (layers === 0 || !(facts.encodes || facts.tokenRun >= runMin)) return spans
  const decoded = facts.encodes ? throughView(text, work, key, layers) : []
  const inside = facts.tokenRun >= runMin ? insideRuns(text, work, layers) : []
  return [spans, decoded, inside].flat()
}

/** Each recognizer runs only where its trigger was seen. */
function recognize(text: string, facts: Facts, work: Meter, key: KeyFacts | undefined): readonly Span[] {
  const { at, assigns, digits, dots, colons, dashes, tokenRun } = facts
  const found: (readonly Span[])[] = []
  if (at) found.push(emails(text, work))
  if (digits >= 7 || (digits >= 4 && dots + dashes >= 2)) found.push(numbers(text, work, key))
  if (digits >= 4 && dashes >= 2) found.push(scannedSsns(text, work, key))
  if (colons >= 2 && digits > 0) found.push(colonAddresses(text, work))
  if (digits > 0 && (dashes >= 5 || dots >= 2)) found.push(otherMacs(text, work))
  if (assigns) found.push(assignments(text, work))
  if (colons > 0 && at) found.push(connectionStrings(text, work))
  if (tokenRun >= 16) found.push(vendorTokens(text, work), jwts(text, work))
  if (dashes >= 10) found.push(privateKeys(text, work))
  return found.length === 1 ? (found[0] ?? []) : found.flat()
}

/** What the decoded reading shows, moved back to where it stands encoded. */
function throughView(text: string, work: Meter, key: KeyFacts | undefined, layers: number): readonly Span[] {
  const view = decodedView(text, work)
  if (view === undefined) return []
  return read(view.text, work, key, layers - 1).map((span) => ({
    ...span,
    start: view.from[span.start] ?? 0,
    end: view.from[span.end] ?? text.length,
  }))
}

/** A hit inside a decoded run claims the whole run. */
function insideRuns(text: string, work: Meter, layers: number): readonly Span[] {
  return encodedRuns(text, work).flatMap((run) =>
    read(run.text, work, undefined, layers - 1)
      .filter((span) => span.reserved !== true)
      .slice(0, 1)
      .map((span) => ({ ...span, start: run.start, end: run.end, why: `${span.why}, encoded` })),
  )
}
