import { describe, expect, it } from 'vitest'
import { busSection } from '../../../src/config/bus-section.ts'

const parse = (mode: 'development' | 'production', bus: object) =>
  busSection({ mode, directory: '/etc/sluicegate' }).safeParse(bus)
const kafka = { kind: 'kafka', brokers: ['kafka-1.example:9093', '127.0.0.1:9093'] }

describe('the bus', () => {
  it('is the files alone unless somebody names a cluster', () => {
    expect(parse('production', { kind: 'file' }).data).toEqual({ kind: 'file' })
    expect(parse('production', { kind: 'file', brokers: [] }).success).toBe(false)
  })

  it('is small, open and makes its own topics in development', () => {
    const defaults = { driver: 'kafkajs', createTopics: true, partitions: 3, replicas: 1 }
    expect(parse('development', kafka).data).toEqual({ ...kafka, ...defaults })
  })

  it('is encrypted and kept in three copies in production, on topics that the operator made', () => {
    const refused = parse('production', kafka)
    expect(refused.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`)).toEqual([
      expect.stringMatching(/^tls is missing: evidence goes nowhere unencrypted in production/),
    ])
    const { data } = parse('production', { ...kafka, tls: { ca: 'ca.pem' } })
    expect(data).toMatchObject({
      createTopics: false,
      partitions: 12,
      replicas: 3,
      tls: { ca: '/etc/sluicegate/ca.pem' },
    })
  })

  it('takes a password by reference alone', () => {
    const sasl = { mechanism: 'scram-sha-512', username: 'gateway' }
    expect(parse('development', { ...kafka, sasl: { ...sasl, password: 'hunter2' } }).success).toBe(false)
    expect(parse('development', { ...kafka, sasl: { ...sasl, password: 'file:kafka' } }).data).toMatchObject({
      sasl: { ...sasl, password: { from: 'file', path: '/etc/sluicegate/kafka' } },
    })
  })
})
