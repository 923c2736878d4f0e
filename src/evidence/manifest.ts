import { z } from 'zod'
import type { JsonObject } from '../ports/json.ts'
import type { Signer } from '../ports/signer.ts'
import { canonicalize } from './canonical.ts'
import { pae } from './chain.ts'
import type { Envelope } from './delegation.ts'
import { openEnvelope } from './envelope.ts'
import { demand, Flaw } from './problem.ts'
import type { Trust } from './trust.ts'

/** What a manifest's signature says it signs (in-toto attestation framework, Statement v1). */
const manifestType = 'application/vnd.in-toto+json'

const statementType = 'https://in-toto.io/Statement/v1'
const predicateType = 'urn:sluicegate:evidence-bundle:v1'

/** Name of the one file in a bundle that is not a subject of the manifest. */
export const manifestFile = 'manifest.dsse.json'

/** What was asked for. Exactly one of trace, session and incident, or a span of time. */
export interface Query {
  readonly trace?: string
  readonly session?: string
  /** Id or dedupe key of an alert. */
  readonly incident?: string
  /** Milliseconds since the epoch, both ends included. */
  readonly sinceMs?: number
  readonly untilMs?: number
}

/** A stream as the bundle holds it: all leaves up to `size`, with the records that answer the query in full. */
export interface BundledStream {
  readonly stream: string
  readonly file: string
  readonly size: number
  /** Lowercase hex. */
  readonly root: string
  /** Records shown in full; the others are leaf hashes. */
  readonly shown: number
}

/** The predicate of a bundle's manifest. */
export interface BundleFacts {
  readonly deployment: string
  readonly query: Query
  readonly requester: string
  readonly ticket?: string
  readonly createdMs: number
  readonly tool: { readonly name: string; readonly version: string }
  /** The record that says this bundle was made; it lies outside the bundle. */
  readonly exportRecord?: { readonly stream: string; readonly seq: number; readonly leaf: string }
  readonly streams: readonly BundledStream[]
  readonly counts: {
    readonly records: number
    readonly linked: number
    readonly hashes: number
    readonly spans: number
  }
}

export interface Statement {
  readonly _type: typeof statementType
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[]
  readonly predicateType: typeof predicateType
  readonly predicate: BundleFacts
}

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const name = z.string().min(1).max(512)
const count = z.int().min(0)

const Query: z.ZodType<Query> = z.strictObject({
  trace: name.exactOptional(),
  session: name.exactOptional(),
  incident: name.exactOptional(),
  sinceMs: count.exactOptional(),
  untilMs: count.exactOptional(),
})

const Statement: z.ZodType<Statement> = z.strictObject({
  _type: z.literal(statementType),
  subject: z.array(z.strictObject({ name, digest: z.strictObject({ sha256: hex64 }) })).max(20_000),
  predicateType: z.literal(predicateType),
  predicate: z.strictObject({
    deployment: name,
    query: Query,
    requester: name,
    ticket: name.exactOptional(),
    createdMs: count,
    tool: z.strictObject({ name, version: name }),
    exportRecord: z.strictObject({ stream: name, seq: count, leaf: hex64 }).exactOptional(),
    streams: z.array(z.strictObject({ stream: name, file: name, size: count, root: hex64, shown: count })).max(10_000),
    counts: z.strictObject({ records: count, linked: count, hashes: count, spans: count }),
  }),
})

/** Signs the manifest of a bundle: the digest of every file, and what the bundle is. */
export async function makeManifest(
  digests: ReadonlyMap<string, string>,
  predicate: BundleFacts,
  signer: Signer,
): Promise<Envelope> {
  const subject = [...digests].map(([file, sha256]) => ({ name: file, digest: { sha256 } }))
  const statement: Statement = { _type: statementType, subject, predicateType, predicate }
  const payload = Buffer.from(canonicalize(statement as unknown as JsonObject))
  const sig = Buffer.from(await signer.sign(pae(manifestType, payload))).toString('base64')
  return { payloadType: manifestType, payload: payload.toString('base64'), signatures: [{ keyid: signer.kid, sig }] }
}

/** Reads a manifest. `trusted` says whether a deployment key of the trust signed it; a false signature throws a `Flaw`. */
export function readManifest(
  bytes: Uint8Array,
  trust: Trust,
): { readonly statement: Statement; readonly trusted: boolean } {
  const { payload, trusted } = openEnvelope(parsed(bytes), manifestType, trust, 'MANIFEST_MISMATCH')
  const read = Statement.safeParse(parsed(payload))
  demand(read.success, 'MANIFEST_MISMATCH', 'The manifest is not a statement about an evidence bundle.')
  return { statement: read.data, trusted }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    throw new Flaw('MANIFEST_MISMATCH', 'The manifest is not JSON.')
  }
}
