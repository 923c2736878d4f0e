import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBroker, type Broker } from '../../scripts/kafka/broker.ts'
import type { KafkaSettings } from '../../src/adapters/kafka-settings.ts'
import type { Bus } from '../../src/ports/bus.ts'
import { authority } from './certificates.ts'

/** Over TLS 1.3, and only with a certificate that the broker knows. */
export function kafkaOverTls(title: string, open: (settings: KafkaSettings) => Promise<Bus>, skip: boolean): void {
  describe.skipIf(skip)(title, () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluicegate-kafka-tls-'))
    const [ours, theirs] = [authority('kafka'), authority('somebody else')]
    const client = ours.issue('gateway')
    let broker: Broker
    beforeAll(async () => {
      broker = await startBroker({ directory, tls: { ...ours.issue('broker'), clientCa: ours.cert } })
    })
    afterAll(async () => {
      await broker?.stop()
      rmSync(directory, { recursive: true, force: true })
    })

    const topic = { name: 'over-tls', partitions: 1, replicas: 1, settings: {} }
    const publish = async (tls: NonNullable<KafkaSettings['tls']>): Promise<void> => {
      const bus = await open({ brokers: [broker.tlsAddress], clientId: 'tls', tls, report: () => undefined })
      try {
        await bus.ensure([topic])
        await bus.publish([{ topic: topic.name, key: 'a', value: Buffer.from('1'), headers: {} }])
      } finally {
        await bus.close()
      }
    }

    it('takes records from who shows a certificate of its authority', async () => {
      await expect(publish({ ca: ours.cert, ...client })).resolves.toBeUndefined()
    })

    it.each([
      ['shows no certificate', () => ({ ca: ours.cert })],
      ['shows one of another authority', () => ({ ca: ours.cert, ...theirs.issue('gateway') })],
      ['shows one that has ended', () => ({ ca: ours.cert, ...ours.issue('gateway', { fromDays: -9, toDays: -1 }) })],
      ['trusts another authority than the broker’s', () => ({ ca: theirs.cert, ...client })],
      ['trusts the system’s authorities alone', () => ({ ...client })],
    ])('takes none from who %s', async (_who, tls) => {
      await expect(publish(tls())).rejects.toThrow()
    })
  })
}
