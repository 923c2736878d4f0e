import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/apps/verify.ts'
import { batchWriter } from '../../src/evidence/batch.ts'
import type { EvidenceEntry } from '../../src/evidence/record.ts'
import { localSigner } from '../../src/adapters/signer-local.ts'
import { verifyPath } from '../../verifier/verify.mjs'
import { goldenFiles, goldenStreams } from '../support/golden-evidence.ts'
import { deployment, segmentName, startMs, testKey } from '../support/log-mutator.ts'

/** Written once, by version 1 of the format. These files never change; every later verifier must accept them. */
const golden = fileURLToPath(new URL('./evidence/', import.meta.url))
const data = path.join(golden, 'v1')
const bundle = path.join(golden, 'bundle-v1.zip')
const trust = path.join(data, 'trust.json')

describe('the golden log of format version 1', () => {
  it('is intact, as both verifiers say', async () => {
    expect(await verifyEvidence({ path: data })).toMatchObject({ ok: true, records: 26, problems: [] })
    expect(verifyPath(data)).toMatchObject({ ok: true, records: 26, problems: [] })
  })

  it('is what the format document describes, byte for byte', () => {
    for (const [name, bytes] of goldenFiles())
      expect([name, readFileSync(path.join(data, name))]).toEqual([name, bytes])
  })

  it('is what the writer writes today, byte for byte', () => {
    const [{ id, lines }] = goldenStreams()
    const records = lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line.slice(0, line.indexOf('\t'))))
    let at = 0
    const origin = `${deployment}/evidence/${id}`
    const clock = { nowMs: () => records[at].wallMs as number, monoNs: () => BigInt(records[at].monoNs as string) }
    const [recordSigner, checkpointSigner] = ['record', 'checkpoint'].map((use) =>
      localSigner(testKey(`${use} ${id}`).privateKey),
    )
    const writer = batchWriter({
      stream: id,
      origin,
      boot: 'b'.repeat(32),
      notBeforeMs: startMs,
      recordSigner: recordSigner!,
      checkpointSigner: checkpointSigner!,
      clock,
    })
    const written: Buffer[] = []
    for (const line of lines) {
      if (line.startsWith('C')) written.push(writer.finish())
      else writer.add(entryOf(records[at]))
      if (line.startsWith('{')) at = Math.min(at + 1, records.length - 1)
    }
    expect(Buffer.concat(written).toString()).toBe(lines.join(''))
    expect(readFileSync(path.join(data, 'streams', 'gw-1', id, segmentName(1))).toString()).toBe(
      lines.slice(0, 9).join(''),
    )
  })
})

describe('the golden bundle of format version 1', () => {
  it('is intact, as both verifiers say', async () => {
    expect(await verifyEvidence({ path: bundle, trustFile: trust })).toMatchObject({ ok: true, problems: [] })
    expect(verifyPath(bundle, { trust })).toMatchObject({ ok: true, problems: [] })
  })
})

/** A record without its place in the chain. */
function entryOf(record: Record<string, unknown>): EvidenceEntry {
  const place = ['v', 'stream', 'seq', 'prev', 'cp', 'tsMs', 'wallMs', 'monoNs', 'boot']
  return Object.fromEntries(Object.entries(record).filter(([key]) => !place.includes(key))) as unknown as EvidenceEntry
}
