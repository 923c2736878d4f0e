import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { exportBundle } from '../../src/apps/export.ts'
import type { ExportOptions, ExportReport } from '../../src/apps/export.ts'
import { readBundleZip } from '../../src/adapters/bundle-zip.ts'
import { localSigner } from '../../src/adapters/signer-local.ts'
import { makeManifest, manifestFile } from '../../src/evidence/manifest.ts'
import type { BundleFacts, Statement } from '../../src/evidence/manifest.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import type { Signer } from '../../src/ports/signer.ts'
import type { Bend } from './log-mutator.ts'
import {
  buildStream,
  callEntry,
  deploymentKey,
  startMs,
  streamName,
  trustJson,
  writeData,
  temporaryFolder,
} from './log-mutator.ts'

const signer: Signer = localSigner(deploymentKey.privateKey)

/** The session of the third, fourth, … of every sixteen calls. */
export const session = 'abcdefabcdef-s000000000001'

const clock = { nowMs: () => startMs + 1_000_000, monoNs: () => 0n }

/** An alert about the session, and the switch it pulled. */
export const alert: JsonObject = {
  type: 'alert',
  session,
  ext: {
    id: 'alert-1',
    dedupeKey: 'd'.repeat(32),
    rule: 'exfil-spike',
    severity: 'high',
    title: 'Large transfer to a new domain',
    summary: '1.2 MB to a domain that is new for this tenant',
    why: '1.2 MB against a median of 3 kB',
    session,
    trace: '',
    evidence: [],
  },
}
export const kill: JsonObject = {
  type: 'kill.apply',
  ext: {
    id: 'switch-1',
    kind: 'session',
    target: session,
    reason: 'exfil-spike',
    alert: 'alert-1',
    issuedBy: { kind: 'detector', rule: 'exfil-spike', version: 1, digest: 'x' },
  },
}

const entry = (count: number): JsonObject => (count === 18 ? alert : count === 19 ? kill : callEntry(count))

/** A data directory with one stream of 22 records: calls of four sessions, an alert and a switch. */
export function dataDirectory(bend: Bend = {}): string {
  const stream = buildStream({ records: 20, entry, ...bend })
  return writeData([{ id: stream.id, segments: [stream.lines.slice(0, 9), stream.lines.slice(9)] }])
}

export interface MadeBundle {
  readonly report: ExportReport
  readonly files: ReadonlyMap<string, Buffer>
  readonly trustFile: string
  readonly zip: string
}

/** Exports a bundle, and reads its files back. */
export async function makeBundle(more: Partial<ExportOptions> = {}): Promise<MadeBundle> {
  const data = more.data ?? dataDirectory()
  const folder = temporaryFolder()
  const zip = path.join(folder, 'incident.zip')
  const trustFile = path.join(folder, 'trust.json')
  writeFileSync(trustFile, trustJson())
  const appendExport = () =>
    Promise.resolve({ stream: streamName(9), seq: 3, leaf: 'a'.repeat(64), durableMs: 0, durableNs: 0n })
  const report = await exportBundle({
    data,
    query: { session },
    out: zip,
    requester: 'auditor',
    signer,
    clock,
    appendExport,
    ...more,
  })
  return { report, files: await readBundleZip(readFileSync(zip)), trustFile, zip }
}

/** The statement in a bundle's manifest. */
export function statementOf(files: ReadonlyMap<string, Buffer>): Statement {
  const envelope = JSON.parse(String(files.get(manifestFile))) as { payload: string }
  return JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as Statement
}

/** The same files with some changed, under a manifest that says so, signed by whom you like. */
export async function resigned(
  files: ReadonlyMap<string, Buffer>,
  changes: Readonly<Record<string, Buffer>>,
  {
    facts = (before: BundleFacts) => before,
    by = signer,
  }: { facts?: (before: BundleFacts) => BundleFacts; by?: Signer } = {},
): Promise<ReadonlyMap<string, Buffer>> {
  const changed = new Map([...files, ...Object.entries(changes)])
  changed.delete(manifestFile)
  const digests = new Map([...changed].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]))
  const manifest = await makeManifest(digests, facts(statementOf(files).predicate), by)
  return changed.set(manifestFile, Buffer.from(JSON.stringify(manifest)))
}

/** One file of a zip that is built by hand, with whatever is wrong with it. */
export interface RawEntry {
  readonly name: string
  readonly bytes: Buffer
  /** The name in the local header, when the two differ. */
  readonly localName?: string
  readonly attributes?: number
  readonly flags?: number
  readonly method?: number
  /** The unpacked size that both headers claim. */
  readonly claims?: number
  /** Bytes after the last block of the packed data. */
  readonly behind?: Buffer
  /** Bytes before the local header. */
  readonly before?: Buffer
}

/** A zip made by hand (APPNOTE 6.3.10 §4.3). */
export function rawZip(
  entries: readonly RawEntry[],
  after: { readonly comment?: string; readonly trailing?: Buffer; readonly gap?: Buffer } = {},
): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const entry of entries) {
    const {
      name,
      bytes,
      localName = name,
      attributes = 0x81a40000,
      flags = 0,
      method = 8,
      behind = Buffer.alloc(0),
      before = Buffer.alloc(0),
    } = entry
    const packed = Buffer.concat([method === 8 ? deflateRawSync(bytes) : bytes, behind])
    const shared = Buffer.alloc(26)
    shared.writeUInt16LE(20, 0)
    shared.writeUInt16LE(flags, 2)
    shared.writeUInt16LE(method, 4)
    shared.writeUInt16LE(0x21, 8)
    shared.writeUInt32LE(crc32(bytes), 10)
    shared.writeUInt32LE(packed.length, 14)
    shared.writeUInt32LE(entry.claims ?? bytes.length, 18)
    shared.writeUInt16LE(Buffer.byteLength(localName), 22)
    local.push(before, Buffer.from('PK\u0003\u0004'), shared, Buffer.from(localName), packed)
    const header = Buffer.from(shared)
    header.writeUInt16LE(Buffer.byteLength(name), 22)
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(attributes, 6)
    rest.writeUInt32LE(offset + before.length, 10)
    central.push(Buffer.from('PK\u0001\u0002\u0014\u0003', 'latin1'), header, rest, Buffer.from(name))
    offset += before.length + 30 + Buffer.byteLength(localName) + packed.length
  }
  const directory = Buffer.concat(central)
  const gap = after.gap ?? Buffer.alloc(0)
  const end = Buffer.alloc(22)
  end.write('PK\u0005\u0006', 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset + gap.length, 16)
  end.writeUInt16LE(after.comment?.length ?? 0, 20)
  return Buffer.concat([
    ...local,
    gap,
    directory,
    end,
    Buffer.from(after.comment ?? ''),
    after.trailing ?? Buffer.alloc(0),
  ])
}
