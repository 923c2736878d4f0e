import { verify } from 'node:crypto'
import { exitCodeOf } from '../../src/evidence/problem.ts'
import type { Problem } from '../../src/evidence/problem.ts'
import type { Claim, Memory } from '../../src/evidence/head.ts'
import type { SegmentLine } from '../../src/evidence/verify.ts'
import { streamVerifier } from '../../src/evidence/verify.ts'
import { parseTrust } from '../../src/evidence/trust.ts'
import { lineBytesMax } from '../../src/evidence/chain.ts'
import { openssl, readTrust, verifyStream } from '../../verifier/verify.mjs'
import type { Engine, Pin } from '../../verifier/verify.mjs'
import { segmentName, trustJson } from './log-mutator.ts'

/** What a verifier says of one stream: the exit code, and the first problem with its place. */
export interface Verdict {
  readonly exit: number
  readonly code?: string
  readonly stream?: string
  readonly segment?: string
  readonly seq?: number
  readonly offset?: number
  readonly codes: readonly string[]
}

export interface Judged {
  readonly stream?: string
  readonly segments: readonly Buffer[]
  /** A trust file's text; the test deployment's unless given, none when `null`. */
  readonly trust?: string | null
  readonly pins?: readonly Pin[]
}

const honestTrust = trustJson()
const ourTrust = memo(parseTrust)
const theirTrust = memo(readTrust)

/** The product's verifier over segments in memory, up to the first line that is surely bad. */
export function ourVerdict({ stream, segments, trust = honestTrust, pins = [] }: Judged): Verdict {
  const memories: Memory[] = pins.map((pin) => ({ ...pin, final: pin.by !== 'the anchor' }))
  const verifier = streamVerifier({
    memories,
    ...(stream !== undefined && { stream }),
    ...(trust !== null && { trust: ourTrust(trust) }),
  })
  const problems: Problem[] = []
  for (const line of segments.flatMap((bytes, index) => [...linesOf(bytes, index + 1)])) {
    const step = verifier.step(line)
    problems.push(...step.problems, ...step.claims.flatMap(refuted))
    if (exitCodeOf(problems) === 1) return verdictOf(problems, 1)
  }
  problems.push(...verifier.end().problems)
  return verdictOf(problems, exitCodeOf(problems))
}

/** The independent verifier over the same. */
export function theirVerdict({ stream, segments, trust = honestTrust, pins = [] }: Judged): Verdict {
  const { problems } = verifyStream({
    segments: segments.map((bytes, index) => ({ name: segmentName(index + 1), number: index + 1, bytes })),
    pins,
    engines: [remembering],
    ...(stream !== undefined && { stream }),
    ...(trust !== null && { trust: theirTrust(trust) }),
  })
  return verdictOf(problems as readonly Problem[], exitCodeOf(problems as readonly Problem[]))
}

/** Where the first problem lies; what two verifiers must agree on. */
export function placeOf({ exit, stream, segment, seq, offset }: Verdict) {
  return { exit, stream, segment, seq, offset }
}

/** The lines of a segment in memory. */
export function* linesOf(bytes: Buffer, segment = 1): Generator<SegmentLine> {
  for (let offset = 0; offset < bytes.length;) {
    const lf = bytes.indexOf(10, offset)
    const end = lf === -1 ? bytes.length : lf
    const line = bytes.subarray(offset, end)
    yield { segment, offset, bytes: line, ended: lf !== -1, overlong: line.length > lineBytesMax }
    offset = end + 1
  }
}

function verdictOf(problems: readonly Problem[], exit: number): Verdict {
  const inPlace = problems.toSorted(
    (a, b) => (a.segment ?? '').localeCompare(b.segment ?? '') || (a.offset ?? 0) - (b.offset ?? 0),
  )
  const [first] = inPlace
  const codes = inPlace.map(({ code }) => code)
  if (first === undefined) return { exit, codes }
  const { code, stream, segment, seq, offset } = first
  return {
    exit,
    codes,
    code,
    ...(stream !== undefined && { stream }),
    ...(segment !== undefined && { segment }),
    ...(seq !== undefined && { seq }),
    ...(offset !== undefined && { offset }),
  }
}

/** Signatures that were checked before: most lines of a tampered log are untouched. */
const answers = new Map<string, boolean>()

function remembered(key: string, ask: () => boolean): boolean {
  const known = answers.get(key) ?? ask()
  if (answers.size < 100_000) answers.set(key, known)
  return known
}

function refuted(claim: Claim): readonly Problem[] {
  const key = `${text(claim.signature)} ${text(claim.message)}`
  const holds = remembered(key, () => verify(null, claim.message, claim.publicKey, claim.signature))
  return holds ? [] : [claim.otherwise]
}

const remembering: Engine = (pub, message, sig) =>
  remembered(`${pub.toString('latin1')} ${text(sig)} ${text(message)}`, () => openssl(pub, message, sig))

/** Trust files are read once: reading checks every key in them. */
function memo<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const value = known.get(text) ?? read(text)
    known.set(text, value)
    return value
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
