import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../../src/apps/verify.ts'
import { writeBundle } from '../../../src/adapters/bundle-zip.ts'
import type { ExportOptions } from '../../../src/apps/export.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { alert, dataDirectory, kill, makeBundle, session, statementOf } from '../../support/bundles.ts'
import { buildStream, callEntry, startMs, streamName, writeData } from '../../support/log-mutator.ts'

const trace = traceOf(6)

function traceOf(call: number): string {
  return callEntry(call)['traceId'] as string
}

/** Lines of the bundle's only stream, by what they are. */
async function linesOf(query: ExportOptions['query'], data = dataDirectory()) {
  const { files, report } = await makeBundle({ query, data })
  const lines = String(files.get(report.streams[0]?.file ?? ''))
    .split('\n')
    .slice(0, -1)
  const records = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line.split('\t')[0] ?? ''))
  return { files, report, records, hashes: lines.filter((line) => line.startsWith('H')).length }
}

describe('a bundle', () => {
  it('shows the records of the session, its alert and its switch, and hashes for the rest', async () => {
    const { records, hashes, report } = await linesOf({ session })
    const others = records.filter((record) => record.session !== undefined && record.session !== session)
    expect(others).toEqual([])
    expect(records.map((record) => record.type)).toEqual([
      'stream.genesis',
      'call.decision',
      'call.outcome',
      'call.outcome',
      'call.outcome',
      'alert',
      'kill.apply',
    ])
    expect(report.counts).toEqual({ records: 5, linked: 1, hashes, spans: 0 })
  })

  it('shows one trace', async () => {
    const { records } = await linesOf({ trace })
    expect(records.filter((record) => record.traceId === trace)).toHaveLength(2)
    expect(records).toHaveLength(3)
  })

  it('shows every change of configuration, and that one was refused', async () => {
    const types = ['policy.load', 'config.load', 'config.refused']
    const changed = (count: number) => ({ type: types[count] as string, ext: { digest: 'ab' } })
    const { id, lines } = buildStream({
      records: 20,
      entry: (count) => (count < types.length ? changed(count) : callEntry(count)),
    })
    const { records } = await linesOf({ session }, writeData([{ id, segments: [lines] }]))
    expect(records.map((record) => record.type).slice(0, 4)).toEqual(['stream.genesis', ...types])
  })

  it('shows an incident by the name of its alert: the session it accuses and the switch it pulled', async () => {
    for (const incident of ['alert-1', 'd'.repeat(32)]) {
      const { records } = await linesOf({ incident })
      expect(records.filter((record) => record.session === session)).toHaveLength(5)
      expect(records.at(-1).type).toBe('kill.apply')
    }
  })

  it('shows a window of time', async () => {
    const { records } = await linesOf({ sinceMs: startMs + 21, untilMs: startMs + 42 })
    expect(records.map((record) => record.seq)).toEqual([0, 3, 4, 5, 6])
  })

  it('ends with the first checkpoint behind the last record it shows', async () => {
    const { report } = await linesOf({ trace: traceOf(0) })
    expect(report.streams[0]).toMatchObject({ size: 5, shown: 3 })
  })

  it('is the same file whenever it is made from the same evidence at the same time', async () => {
    const data = dataDirectory()
    const [first, second] = await Promise.all([makeBundle({ data }), makeBundle({ data })])
    expect(readFileSync(first.zip).equals(readFileSync(second.zip))).toBe(true)
  })

  it('says what it is, in a statement over every file', async () => {
    const { files } = await makeBundle({ ticket: 'SEC-7' })
    const { subject, predicate, _type } = statementOf(files)
    expect(_type).toBe('https://in-toto.io/Statement/v1')
    expect(subject.map(({ name }) => name)).toEqual(
      [...files.keys()].filter((name) => name !== 'manifest.dsse.json').sort(),
    )
    expect(predicate).toMatchObject({ deployment: 'test', requester: 'auditor', ticket: 'SEC-7', query: { session } })
    expect(predicate.exportRecord).toMatchObject({ stream: streamName(9), seq: 3 })
  })

  it('holds what was handed in beside the evidence', async () => {
    const extra = new Map([['policy/builtin.yaml', Buffer.from('rules: []\n')]])
    const { files, zip, trustFile } = await makeBundle({ extra })
    expect(String(files.get('policy/builtin.yaml'))).toBe('rules: []\n')
    expect((await verifyEvidence({ path: zip, trustFile })).ok).toBe(true)
  })
})

describe('an export', () => {
  it('is recorded before anything is read', async () => {
    const entries: EvidenceEntry[] = []
    const appendExport = (entry: EvidenceEntry) => {
      entries.push(entry)
      return Promise.reject(new Error('the disk is full'))
    }
    await expect(makeBundle({ appendExport })).rejects.toThrow('the disk is full')
    expect(entries).toEqual([
      { type: 'export', actor: { id: 'auditor', type: 'operator' }, ext: { query: { session }, requester: 'auditor' } },
    ])
  })

  it('refuses a query that nothing answers', async () => {
    await expect(makeBundle({ query: { trace: 'f'.repeat(32) } })).rejects.toThrow(/No record answers/)
  })

  it('refuses a directory without evidence', async () => {
    await expect(makeBundle({ data: '/nowhere' })).rejects.toThrow(/holds no evidence/)
  })

  it('copies damage as it is, so that the bundle shows it too', async () => {
    const data = dataDirectory({
      bendSignature: (signature, seq) => (seq === 6 ? signature.replace(/^../, 'AA') : signature),
    })
    const { zip, trustFile } = await makeBundle({ data })
    expect(await verifyEvidence({ path: zip, trustFile })).toMatchObject({ exitCode: 1 })
  })
})

describe('writing a bundle', () => {
  it('refuses a name that readers refuse', async () => {
    await expect(writeBundle('/tmp/never.zip', new Map([['../x', Buffer.alloc(1)]]))).rejects.toThrow(/no name/)
  })
})

describe('the alert and the switch of the fixture', () => {
  it('belong together', () => {
    expect((kill['ext'] as { alert: string }).alert).toBe((alert['ext'] as { id: string }).id)
  })
})
