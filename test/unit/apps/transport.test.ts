import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { certificateFacts } from '../../../src/adapters/tls-certificate.ts'
import type { TlsSource } from '../../../src/adapters/tls-files.ts'
import { transport } from '../../../src/apps/transport.ts'
import type { Alert } from '../../../src/detection/alert.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import type { EvidenceLog } from '../../../src/ports/evidence-log.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
import { meters } from '../../../src/telemetry/metrics.ts'
import { aReceipt } from '../../support/calls.ts'
import { authority } from '../../support/certificates.ts'
import { testClock } from '../../support/clock.ts'

const certificate = new X509Certificate(authority('ours').issue('gate').cert)

function bench(append: EvidenceLog['append'] = async () => aReceipt) {
  const clock = testClock(Date.now())
  const entries: EvidenceEntry[] = []
  const alerts: Alert[] = []
  const lines: JsonObject[] = []
  const faults: unknown[] = []
  const counted = meters()
  const log = { append: (entry: EvidenceEntry) => (entries.push(entry), append(entry)) } as unknown as EvidenceLog
  const reports = transport({
    log,
    meters: counted,
    clock,
    tell: async (alert) => void alerts.push(alert),
    report: (line) => void lines.push(line),
    fault: (error) => void faults.push(error),
  })
  const facts = certificateFacts(certificate, clock.nowMs())
  const source = { name: 'listen', facts: () => facts } as unknown as TlsSource
  return { reports, entries, alerts, lines, faults, counted, facts, source }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('what happens to a certificate', () => {
  it('is evidence with its facts; only what is refused is an alert, and only what is to be acted on a line', async () => {
    const { reports, entries, alerts, lines, facts } = bench()
    for (const kind of ['loaded', 'due', 'refused'] as const)
      reports.certificate({ kind, name: 'listen', why: kind === 'loaded' ? [] : ['It is old.'], facts })
    await turn()
    expect(entries.map(({ type }) => type)).toEqual(['certificate.load', 'certificate.due', 'certificate.refused'])
    expect(entries[0]?.ext).toMatchObject({ certificate: 'listen', subject: 'gate', fingerprint: facts.fingerprint })
    expect(lines.map(({ level, why }) => [level, why])).toEqual([
      ['warn', 'It is old.'],
      ['error', 'The new certificate was refused, the one in use stays. It is old.'],
    ])
    expect(alerts).toMatchObject([{ rule: 'certificate_refused', severity: 'high', why: 'It is old.' }])
    expect(alerts[0]?.evidence).toHaveLength(1)
  })

  it('is an alert though it cannot be written down', async () => {
    const { reports, alerts, faults } = bench(async () => {
      throw new Error('the disk is full')
    })
    reports.certificate({ kind: 'refused', name: 'admin', why: ['It expired.'] })
    await turn()
    expect(alerts).toMatchObject([{ rule: 'certificate_refused', evidence: [] }])
    expect(faults).toHaveLength(1)
  })

  it('is counted, and its age and end are shown for as long as it is in use', async () => {
    const { reports, counted, source, facts } = bench()
    reports.certificate({ kind: 'loaded', name: 'listen', why: [], facts })
    reports.cut('slow_body')
    reports.watch(source)
    const text = await counted.text()
    expect(text).toContain('sluicegate_certificates_total{certificate="listen",result="loaded"} 1')
    expect(text).toContain('sluicegate_connections_cut_total{reason="slow_body"} 1')
    expect(text).toContain(`sluicegate_certificate_age{certificate="listen"} ${facts.ageDays * 86_400}`)
    expect(text).toContain(`sluicegate_certificate_expiry{certificate="listen"} ${facts.daysLeft * 86_400}`)
    reports.forget(source)
    expect(await counted.text()).toContain('sluicegate_certificate_age{certificate="listen"} NaN')
  })
})
