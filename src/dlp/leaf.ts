import type { Json } from '../ports/json.ts'
import { detect } from './detect.ts'
import type { Fields } from './fields.ts'
import type { Finding, Kind, Mode } from './finding.ts'
import type { KeyFacts } from './keys.ts'
import { hashedKind, isOurs, isSecret, maskOf, maskedKind } from './kinds.ts'
import { isDigit } from './letters.ts'
import type { HashKey } from './mask.ts'
import { replace } from './mask.ts'
import type { Meter } from './meter.ts'
import { decidesAlone } from './named.ts'
import type { Span } from './span.ts'
import type { Tally } from './tally.ts'
import type { Leaf, Visitor } from './tree.ts'
import { dropped, rewrite } from './tree.ts'

/** What one redaction works with. */
export interface Work {
  readonly meter: Meter
  readonly fields: Fields
  readonly found: Tally
  /** What becomes of a kind where no field rule speaks. */
  readonly treat: (kind: Kind) => Mode | 'pass'
  readonly hashKey: () => HashKey
  readonly block: (kind: Kind) => void
}

/** Masking may bring new neighbours together; after so many rounds the whole leaf goes behind one mask. */
const roundsMax = 4

/** Judges and rewrites leaves and names: field rules first, then the member's name, then the text itself. */
export function redactor(work: Work): Visitor {
  const visitor: Visitor = { leaf, name }
  return visitor

  function leaf(leaf: Leaf): Json | typeof dropped {
    const { value, key, mode } = leaf
    if (mode === undefined && !mayHold(value, key)) return value
    const text = String(value)
    work.meter.leaf(text.length)
    if (mode !== undefined) return byRule(text, leaf, mode)
    const parsed = typeof value === 'string' ? jsonIn(value) : undefined
    const next = parsed === undefined ? byName(text, leaf) : throughJson(text, parsed, leaf)
    return next === text ? value : next
  }

  /** A field rule covers the whole value, whatever it is; what blocks by kind blocks here too. */
  function byRule(text: string, leaf: Leaf, mode: Mode): Json | typeof dropped {
    if (text === '') return mode === 'drop' ? dropped : text
    const spans = detect(text, work.meter, leaf.key)
    const kind = kindOf(text, spans, leaf.key)
    const ours = isOurs(text)
    if (!ours) note(leaf, { kind, start: 0, end: text.length, score: 1, why: 'field rule' }, 'field')
    for (const span of spans) if (work.treat(span.kind) === 'block') work.block(span.kind)
    if (mode === 'block') work.block(kind)
    if (mode === 'drop' || mode === 'block') return dropped
    if (ours) return text
    const secret = mode === 'partial' && spans.some((span) => isSecret(span.kind))
    return replace(text, kind, secret ? 'mask' : mode, work.hashKey)
  }

  /** The member's name decides alone where the value is plausible, before or after what is found in it has been masked. */
  function byName(text: string, leaf: Leaf): string | typeof dropped {
    const kind = leaf.key?.kind
    if (kind === undefined) return byText(text, leaf)
    if (names(kind, text)) return asNamed(text, kind, leaf)
    const next = byText(text, leaf)
    return next !== dropped && next !== text && names(kind, next) ? asNamed(next, kind, leaf) : next
  }

  function asNamed(text: string, kind: Kind, leaf: Leaf): string | typeof dropped {
    const span = { kind, start: 0, end: text.length, score: 0.9, why: 'key name' }
    note(leaf, span, 'field')
    if (work.treat(kind) === 'pass') return byText(text, leaf, kind)
    const next = covered(text, [span])
    return next === dropped ? next : settled(next, leaf)
  }

  /** Finds, notes and rewrites what stands in the text, until nothing more is found in the result. */
  function byText(text: string, leaf: Leaf, known?: Kind): string | typeof dropped {
    const spans = detect(text, work.meter, leaf.key).filter((span) => span.kind !== known)
    for (const span of spans) note(leaf, span, 'pattern')
    const due = spans.filter(isDue)
    if (due.length === 0) return text
    const next = covered(text, due)
    return next === dropped ? next : settled(next, leaf)
  }

  function settled(text: string, leaf: Leaf): string | typeof dropped {
    return settle(text, leaf.key, (span) => note(leaf, { ...span, start: 0, end: text.length }, 'pattern'))
  }

  function settle(text: string, key: KeyFacts | undefined, note: (span: Span) => void): string | typeof dropped {
    let current = text
    for (let round = 1; round < roundsMax; round++) {
      const due = detect(current, work.meter, key).filter(isDue)
      if (due.length === 0) return current
      for (const span of due) note(span)
      const next = covered(current, due)
      if (next === dropped) return dropped
      current = next
    }
    return maskOf('private')
  }

  function isDue(span: Span): boolean {
    return span.reserved !== true && work.treat(span.kind) !== 'pass'
  }

  /** The text with each span replaced; dropped when one of them takes the member with it, or blocks. */
  function covered(text: string, spans: readonly Span[]): string | typeof dropped {
    const parts: string[] = []
    let from = 0
    for (const { kind, start, end } of spans) {
      const mode = work.treat(kind)
      if (mode === 'block') work.block(kind)
      if (mode === 'block' || mode === 'drop') return dropped
      if (mode === 'pass') continue
      parts.push(text.slice(from, start), replace(text.slice(start, end), kind, mode, work.hashKey))
      from = end
    }
    return parts.join('') + text.slice(from)
  }

  /** A string that holds JSON is walked like the rest, then read once more as it stands: parsing hides repeated members. */
  function throughJson(text: string, parsed: Json, leaf: Leaf): string | typeof dropped {
    const { place, key, depth } = leaf
    const path = leaf.path() === '' ? [] : leaf.path().split('.')
    const from = { place, key, mode: undefined, depth: depth + 1, path }
    const next = rewrite(parsed, work.fields, visitor, work.meter, from)
    if (next === dropped) return dropped
    return settled(next === parsed ? text : JSON.stringify(next), leaf)
  }

  function name(key: string, path: () => string): { name: string | typeof dropped; shown: string } {
    const spans = mayHoldName(key) ? detect(key, work.meter) : []
    if (spans.length === 0) return { name: key, shown: key }
    const shown = spans.reduceRight(
      (text, { kind, start, end }) => text.slice(0, start) + maskOf(kind) + text.slice(end),
      key,
    )
    const at = [path(), shown].filter((part) => part !== '').join('.')
    const add = (span: Span) => work.found.add({ ...span, path: at, by: 'pattern' })
    spans.forEach(add)
    const next = covered(key, spans.filter(isDue))
    return { name: next === dropped || next === key ? next : settle(next, undefined, add), shown }
  }

  function note(leaf: Leaf, span: Span, by: Finding['by']): void {
    work.found.add({ ...span, path: leaf.path(), by })
  }
}

/** What a field rule's value is called: by its member's name, by what it was masked as, by what it is as a whole. */
function kindOf(text: string, spans: readonly Span[], key: KeyFacts | undefined): Kind {
  const whole = spans.find(({ start, end }) => start === 0 && end === text.length)
  return key?.kind ?? maskedKind(text) ?? hashedKind(text) ?? whole?.kind ?? 'private'
}

function names(kind: Kind, text: string): boolean {
  return !isOurs(text) && decidesAlone(kind, text)
}

/** Numbers too short for a card, a phone or a date of birth hold nothing, and neither does a boolean. */
function mayHold(value: string | number | boolean, key: KeyFacts | undefined): boolean {
  if (typeof value === 'string') return value.length >= 4 || (key?.kind !== undefined && value !== '')
  return (
    typeof value === 'number' && Number.isInteger(value) && Math.abs(value) >= (key?.kind === undefined ? 1e11 : 1e3)
  )
}

/** Most names are short words; only those with an `@`, several digits or unusual length are read. */
function mayHoldName(key: string): boolean {
  if (key.length >= 24) return true
  let digits = 0
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (code === 64 || code === 37 || code > 127) return true
    if (isDigit(code)) digits++
  }
  return digits >= 4
}

/** The object, list or string that a text is the JSON of. */
function jsonIn(text: string): Json | undefined {
  const first = text.trimStart()[0]
  const last = text.trimEnd().at(-1)
  const pair = `${first}${last}`
  if (pair !== '{}' && pair !== '[]' && !(pair === '""' && text.includes('\\'))) return undefined
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
