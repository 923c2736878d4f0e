import { describe, expect, it } from 'vitest'
import { batchWriter } from '../../../src/evidence/batch.ts'
import { linesOf } from '../../../src/evidence/lines.ts'
import { danglingIntents } from '../../../src/evidence/recover.ts'
import { streamFold } from '../../../src/evidence/stream-fold.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { testClock } from '../../support/clock.ts'
import { intent, outcome } from '../../support/evidence.ts'
import { testKey } from '../../support/log-mutator.ts'

const identity = {
  stream: '01K70000000000000000000001',
  origin: 'test/evidence/01K70000000000000000000001',
  boot: '0'.repeat(32),
  checkpointSigner: { publicKey: testKey('checkpoint').raw, sign: () => new Uint8Array(64) },
  clock: testClock(),
  notBeforeMs: 0,
}

/** The requests that a restart would call unknown, after these records. */
async function unknownAfter(entries: readonly EvidenceEntry[]): Promise<readonly (string | undefined)[]> {
  const writer = batchWriter(identity)
  for (const entry of entries) writer.add(entry)
  const fold = streamFold()
  async function* bytes() {
    yield writer.finish()
  }
  for await (const line of linesOf(bytes(), 1)) fold.step(line)
  return danglingIntents([fold.result()]).map(({ req }) => req)
}

describe('the intents of a stream', () => {
  it('are settled by their outcome, however many reads ended in between', async () => {
    const between = ['read-1', 'read-2'].map(outcome)
    expect(await unknownAfter([intent('write'), ...between, outcome('write')])).toEqual([])
  })

  it('stay open when only others ended', async () => {
    expect(await unknownAfter([intent('a'), outcome('read'), intent('b'), outcome('b')])).toEqual(['req-a'])
  })
})
