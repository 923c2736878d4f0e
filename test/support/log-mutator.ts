import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { KeyObject } from 'node:crypto'
import type { Json, JsonObject } from '../../src/ports/json.ts'

/*
 * Builds evidence logs, honest or not, straight from docs/evidence-format.md. Shares no code with the writer or either verifier,
 * so that a mistake they have in common does not hide here as well.
 */

export const deployment = 'test'
export const startMs = 1_760_000_000_000
const recordType = 'application/vnd.sluicegate.evidence.v1+json'
const delegationType = 'application/vnd.sluicegate.delegation.v1+json'
const zeros = '0'.repeat(64)

/** An Ed25519 key pair made from a name: the same one on every run. */
export interface TestKey {
  readonly raw: Buffer
  readonly kid: string
  readonly privateKey: KeyObject
  sign(bytes: Uint8Array): Buffer
}

export function testKey(name: string): TestKey {
  const seed = sha256(Buffer.from(`sluicegate test key ${name}`))
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    raw: spki.subarray(-32),
    kid: sha256(spki).toString('hex'),
    privateKey,
    sign: (bytes) => sign(null, bytes, privateKey),
  }
}

export const deploymentKey = testKey('deployment')

/** A trust file that names the test deployment's key. */
export function trustJson(key: TestKey = deploymentKey, use = 'deployment', more: object[] = []): string {
  const entry = { kid: key.kid, pub: key.raw.toString('base64'), use, alg: 'ed25519' }
  return JSON.stringify({ v: 1, deployment, keys: [entry, ...more] })
}

/** What a test may bend. Everything left out is honest. */
export interface Bend {
  readonly stream?: string
  readonly signing?: 'record+checkpoint' | 'checkpoint'
  /** Records beside genesis and close. */
  readonly records?: number
  /** Records per checkpoint. */
  readonly batch?: number
  /** What each record says; a call unless given. */
  readonly entry?: (count: number) => JsonObject
  readonly close?: boolean
  readonly prevStream?: { readonly id: string; readonly size: number; readonly root: string }
  readonly delegator?: TestKey
  readonly recordKey?: TestKey
  readonly checkpointKey?: TestKey
  /** Who really signs, when it is not the delegated key. */
  readonly recordSigner?: TestKey
  readonly checkpointSigner?: TestKey
  readonly bendDelegation?: (statement: JsonObject) => JsonObject
  readonly bendEnvelope?: (envelope: JsonObject) => JsonObject
  /** Changes a record before it is hashed and signed. */
  readonly bendRecord?: (record: JsonObject, seq: number) => JsonObject
  /** Changes a record's bytes before they are hashed and signed. */
  readonly bendText?: (text: string, seq: number) => string
  readonly payloadType?: string
  /** Changes the body of a checkpoint before it is signed. */
  readonly bendNote?: (
    note: { origin: string; size: number; root: Buffer },
    index: number,
  ) => { origin: string; size: number; root: Buffer }
  /** Changes the text of a record's signature. */
  readonly bendSignature?: (signature: string, seq: number) => string
}

export interface BuiltStream {
  readonly id: string
  /** Lines with their LF. */
  readonly lines: readonly string[]
  readonly size: number
  /** RFC 6962 root over all records, hex. */
  readonly root: string
  readonly leaves: readonly Buffer[]
  /** The last note, as an anchor file would hold it. */
  readonly note: string
}

/** A stream of `records` calls with the checkpoints between them, closed unless told otherwise. */
export function buildStream(bend: Bend = {}): BuiltStream {
  const { stream = streamName(1), records = 18, batch = 4, close = true, signing = 'record+checkpoint' } = bend
  const recordKey = bend.recordKey ?? testKey(`record ${stream}`)
  const checkpointKey = bend.checkpointKey ?? testKey(`checkpoint ${stream}`)
  const origin = `${deployment}/evidence/${stream}`
  const lines: string[] = []
  const leaves: Buffer[] = []
  let [prev, checkpoints, note] = [zeros, 0, '']
  let cp: JsonObject | undefined

  const append = (entry: JsonObject) => {
    const seq = leaves.length
    const place = {
      v: 1,
      stream,
      seq,
      prev,
      boot: 'b'.repeat(32),
      monoNs: String(1_000_000 * seq),
      ...timesAt(seq),
      ...(cp && { cp }),
    }
    const record = bend.bendRecord?.({ ...entry, ...place }, seq) ?? { ...entry, ...place }
    const honest = jcs(record)
    const text = bend.bendText?.(honest, seq) ?? honest
    const bytes = Buffer.from(text, text.includes('\u0001') ? 'latin1' : 'utf8')
    const signer = bend.recordSigner ?? recordKey
    const signature =
      signing === 'checkpoint' ? '' : signer.sign(pae(bend.payloadType ?? recordType, bytes)).toString('base64')
    lines.push(`${text}\t${bend.bendSignature?.(signature, seq) ?? signature}\n`)
    const leaf = sha256(Buffer.concat([Buffer.of(0), bytes]))
    leaves.push(leaf)
    prev = leaf.toString('hex')
    cp = undefined
  }
  const checkpoint = () => {
    const honest = { origin, size: leaves.length, root: rootOf(leaves) }
    const { origin: name, size, root } = bend.bendNote?.(honest, checkpoints) ?? honest
    note = signedNote({ origin: name, size, root }, checkpointKey, bend.checkpointSigner)
    const line = `C\t${Buffer.from(note).toString('base64url')}`
    lines.push(`${line}\n`)
    cp = { n: checkpoints++, h: sha256(Buffer.from(line)).toString('hex') }
  }

  const delegations = (signing === 'checkpoint' ? [] : [delegate(stream, recordKey, 'record', bend)]).concat(
    delegate(stream, checkpointKey, 'checkpoint', bend),
  )
  append({
    type: 'stream.genesis',
    ext: { deployment, signing, delegations, ...(bend.prevStream && { prevStream: { ...bend.prevStream } }) },
  })
  checkpoint()
  for (let count = 0; count < records; count += 1) {
    append((bend.entry ?? callEntry)(count))
    if (count % batch === batch - 1) checkpoint()
  }
  if (close) append({ type: 'stream.close' })
  if (close || records % batch !== 0) checkpoint()
  return { id: stream, lines, size: leaves.length, root: rootOf(leaves).toString('hex'), leaves, note }
}

/** One call's record: reads, writes, denials and an alert in turn. */
export function callEntry(count: number): JsonObject {
  const trace = sha256(Buffer.from(`trace ${count >> 1}`)).toString('hex')
  const digest = {
    digest: sha256(Buffer.from(`args ${count}`)).toString('hex'),
    alg: 'hmac-sha256',
    keyId: 'acme-2025-10',
    sizeBytes: 120 + count,
  }
  const base = {
    traceId: trace.slice(0, 32),
    spanId: trace.slice(32, 48),
    session: `abcdefabcdef-s00000000000${(count >> 2) % 4}`,
    req: `req-${count}`,
    tenant: count % 3 === 0 ? 'globex' : 'acme',
    actor: { id: `agent:${count % 2 === 0 ? 'planner' : 'naïve-größe'}`, type: 'agent' },
    tool: { name: count % 2 === 0 ? 'orders.export' : 'flag.set', effect: count % 2 === 0 ? 'read' : 'write' },
    args: digest,
  }
  const allowed = { effect: 'allow', rules: ['orders-allow'], bundleDigest: 'd'.repeat(64), mode: 'enforce' }
  if (count % 5 === 4)
    return { ...base, type: 'call.decision', decision: { ...allowed, effect: 'deny', reasonCode: 'policy_denied' } }
  return {
    ...base,
    type: 'call.outcome',
    decision: allowed,
    result: { ...digest, status: 'ok', rows: count },
    dlp: { piiCount: 2, kinds: { email: 1, phone: 1 }, detectorVersion: '1' },
    ext: { callId: `call-${count}`, transport: 'http', durationUs: 1200 },
  }
}

/** A ULID for tests; names sort by `number`. */
export function streamName(number: number): string {
  return `01K7${String(number).padStart(22, '0')}`
}

/** Writes streams as a data directory under the temporary folder. A stream may be split into segments at line numbers. */
export function writeData(
  streams: readonly { id: string; segments: readonly (readonly string[] | Buffer)[] }[],
  trust?: string,
): string {
  const folder = temporaryFolder()
  for (const { id, segments } of streams) {
    const streamFolder = path.join(folder, 'streams', 'gw-1', id)
    mkdirSync(streamFolder, { recursive: true })
    for (const [index, content] of segments.entries())
      writeFileSync(
        path.join(streamFolder, segmentName(index + 1)),
        Buffer.isBuffer(content) ? content : joined(content),
      )
  }
  writeFileSync(path.join(folder, 'trust.json'), trust ?? trustJson())
  return folder
}

/** A new folder where the system keeps temporary files; the system clears it. */
export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'sluicegate-test-'))
}

export function segmentName(number: number): string {
  return `seg-${String(number).padStart(8, '0')}.log`
}

/** The bytes of lines. A text with `\u0001` stands for raw bytes, one per character. */
export function joined(lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map((line) => Buffer.from(line, line.includes('\u0001') ? 'latin1' : 'utf8')))
}

export function signedNote(
  note: { origin: string; size: number; root: Buffer },
  key: TestKey,
  signer: TestKey = key,
): string {
  const body = `${note.origin}\n${note.size}\n${note.root.toString('base64')}\n`
  const keyId = sha256(Buffer.concat([Buffer.from(`${note.origin}\n`), Buffer.of(1), key.raw])).subarray(0, 4)
  return `${body}\n\u2014 ${note.origin} ${Buffer.concat([keyId, signer.sign(Buffer.from(body))]).toString('base64')}\n`
}

function delegate(stream: string, key: TestKey, purpose: string, bend: Bend = {}): JsonObject {
  const honest = {
    v: 1,
    kid: key.kid,
    pub: key.raw.toString('base64'),
    stream,
    notBefore: startMs - 60_000,
    notAfter: startMs + 86_000_000,
    purpose,
  }
  const payload = Buffer.from(jcs(bend.bendDelegation?.(honest) ?? honest))
  const envelope = sealedEnvelope(delegationType, payload, bend.delegator ?? deploymentKey)
  return bend.bendEnvelope?.(envelope) ?? envelope
}

/** A DSSE envelope. */
export function sealedEnvelope(payloadType: string, payload: Buffer, key: TestKey) {
  const sig = key.sign(pae(payloadType, payload)).toString('base64')
  return { payloadType, payload: payload.toString('base64'), signatures: [{ keyid: key.kid, sig }] }
}

function pae(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.length} `), body])
}

/** RFC 6962 §2.1, as its definition reads. */
export function rootOf(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256(Buffer.alloc(0))
  if (leaves.length === 1) return leaves[0] as Buffer
  const split = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1)
  return sha256(Buffer.concat([Buffer.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split))]))
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** RFC 8785 for the values tests use. */
function jcs(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item) => jcs(item as Json)).join(',')}]`
  const entries = Object.entries(value as JsonObject).sort(([left], [right]) => (left < right ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${jcs(item)}`).join(',')}}`
}

/** Small repeatable randomness (mulberry32): numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function timesAt(seq: number) {
  return { tsMs: startMs + seq * 7, wallMs: startMs + seq * 7 }
}
