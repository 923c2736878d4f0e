import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openEvidenceLog } from '../../src/adapters/evidence-log-file.ts'
import type { FileEvidenceLog, FileEvidenceLogOptions } from '../../src/adapters/evidence-log-file.ts'
import { localSigner } from '../../src/adapters/signer-local.ts'
import type { LocalSigner } from '../../src/adapters/signer-local.ts'
import { parseLine } from '../../src/evidence/chain.ts'
import { readRecord } from '../../src/evidence/dangling.ts'
import type { EvidenceEntry, EvidenceRecord } from '../../src/evidence/record.ts'
import type { Files } from '../../src/adapters/files.ts'
import { testClock } from './clock.ts'
import { deploymentKey } from './log-mutator.ts'

const gateway = 'gw-1'

/** The deployment key that `trustJson` names. */
const deploymentSigner: LocalSigner = localSigner(deploymentKey.privateKey)

/** Opens a log whose records `trustJson` lets anybody verify. */
export function openTestLog(
  options: Partial<FileEvidenceLogOptions> & { directory: string },
): Promise<FileEvidenceLog> {
  return openEvidenceLog({ gateway, deployment: 'test', deploymentSigner, clock: testClock(), ...options })
}

/** What a call leaves behind when it is refused. `name` makes it different from others. */
export function denial(name: string): EvidenceEntry {
  return { ...call(name), type: 'call.decision', decision: { ...allowed, effect: 'deny', reasonCode: 'policy_denied' } }
}

/** What a write leaves behind before it happens. */
export function intent(name: string): EvidenceEntry {
  return {
    ...call(name),
    type: 'call.intent',
    decision: allowed,
    args: digest(name),
    idem: { keyDigest: hash(`idem ${name}`) },
    ext: { callId: name, transport: 'http' },
  }
}

/** What a call leaves behind when it is done. */
export function outcome(name: string): EvidenceEntry {
  return {
    ...call(name),
    type: 'call.outcome',
    decision: allowed,
    result: { ...digest(name), status: 'ok' },
    ext: { callId: name, transport: 'http' },
  }
}

/** The records in some files, in the order of their streams. Torn lines are left out. */
export async function recordsIn(files: Files, directory: string): Promise<readonly EvidenceRecord[]> {
  const streams = path.join(directory, 'streams', gateway)
  const records: EvidenceRecord[] = []
  for (const stream of await files.list(streams))
    for (const segment of await files.list(path.join(streams, stream)))
      records.push(...recordsOf(await bytesOf(files, path.join(streams, stream, segment))))
  return records
}

/** Every record line of a segment that can be read. */
function recordsOf(bytes: Buffer): readonly EvidenceRecord[] {
  return linesOf(bytes).flatMap((line) => {
    const parsed = parseLine(line)
    const record = parsed.kind === 'record' ? readRecord(parsed.text) : undefined
    return record === undefined ? [] : [record]
  })
}

export async function bytesOf(files: Files, file: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of files.read(file)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Lines without their LF. */
function linesOf(bytes: Buffer): readonly Buffer[] {
  const lines: Buffer[] = []
  for (let from = 0, end = bytes.indexOf(10); end !== -1; from = end + 1, end = bytes.indexOf(10, from))
    lines.push(bytes.subarray(from, end))
  return lines
}

/** A directory that is gone when the test is. */
export function temporary(): { readonly directory: string; [Symbol.dispose](): void } {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluicegate-evidence-'))
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) }
}

const allowed = { effect: 'allow', rules: ['test'], bundleDigest: hash('policy'), mode: 'enforce' } as const

function call(name: string) {
  const trace = hash(name)
  return {
    traceId: trace.slice(0, 32),
    spanId: trace.slice(32, 48),
    session: 'abcdefabcdef-s000000000001',
    req: `req-${name}`,
    tenant: 'acme',
    actor: { id: 'agent:test', type: 'agent' },
    tool: { name: 'flag.set', effect: 'write' },
  } as const
}

function digest(name: string) {
  return { digest: hash(`args ${name}`), alg: 'hmac-sha256', keyId: '2026-11/acme', sizeBytes: 100 } as const
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
