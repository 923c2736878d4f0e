import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafkaMissing } from '../../scripts/kafka/install.ts'
import { startBroker } from '../../scripts/kafka/broker.ts'
import { kafkajsBus } from '../../src/adapters/bus-kafkajs.ts'
import { platformaticBus } from '../../src/adapters/bus-platformatic.ts'
import { brokerAway } from '../support/broker-away.ts'
import { busLaws, type BusBench } from '../support/bus-laws.ts'
import { kafkaOverTls } from '../support/kafka-tls.ts'

const missing = kafkaMissing()

const awayS = Number(process.env['SLUICEGATE_AWAY_S'] ?? 10)
const drivers = { kafkajs: kafkajsBus, platformatic: platformaticBus }

for (const [driver, open] of Object.entries(drivers)) {
  busLaws(missing ?? `${driver} on a real Kafka`, () => bench(open), missing !== undefined)
  const away = { driver, awayS, perS: 200, open: (address: string) => openAt(open, address) }
  kafkaOverTls(missing ?? `${driver} to a real Kafka over TLS`, open, missing !== undefined)
  brokerAway(missing ?? `While a real Kafka is killed (${driver})`, away, missing !== undefined)
}

const openAt = (open: typeof kafkajsBus, address: string) =>
  open({ brokers: [address], clientId: 'sluicegate-laws', report: () => undefined })

async function bench(open: typeof kafkajsBus): Promise<BusBench> {
  const directory = mkdtempSync(join(tmpdir(), 'sluicegate-kafka-'))
  const broker = await startBroker({ directory })
  return {
    open: () => openAt(open, broker.address),
    async close() {
      await broker.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
