import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { defaultGuard } from '../../../src/limits/guard.ts'

function parse(keys: string) {
  const text = `mode: development\nservices: { orders: { regions: { eu-west: "http://127.0.0.1:1", us-east: "http://127.0.0.1:1" }${keys} } }\n`
  const { config, problems } = parseConfig(text, '/etc/sluicegate/sluicegate.yaml')
  const services = config?.services
  return {
    guard: typeof services === 'object' ? services['orders']?.guard : undefined,
    problems: problems.map(({ path, message }) => `${path}: ${message}`),
  }
}

describe('what stands before a service', () => {
  it('is there by default', () => {
    expect(parse('')).toEqual({ guard: defaultGuard, problems: [] })
  })

  it('is what configuration says', () => {
    const { guard } = parse(
      ', concurrency: 4, queue: { max: 2, waitMs: 50 }, timeoutMs: 3000, breaker: { failures: 2, slowMs: 900, openMs: 100 }',
    )
    expect(guard).toEqual({
      concurrency: 4,
      queue: { max: 2, waitMs: 50 },
      timeoutMs: 3000,
      breaker: { ...defaultGuard.breaker, failures: 2, slowMs: 900, openMs: 100 },
    })
  })

  it('waits no longer than a call may take', () => {
    const { guard } = parse(', timeoutMs: 400')
    expect(guard).toMatchObject({ queue: { waitMs: 400 }, breaker: { slowMs: 400 } })
  })

  it.each([
    [', concurrency: 0', 'services.orders.concurrency'],
    [', timeoutMs: 60000', 'services.orders.timeoutMs'],
    [', timeoutMs: 500, queue: { waitMs: 501 }', 'services.orders.queue.waitMs'],
    [', timeoutMs: 500, breaker: { slowMs: 501 }', 'services.orders.breaker.slowMs'],
    [', breaker: { openMs: 2000, openMaxMs: 1000 }', 'services.orders.breaker.openMaxMs'],
    [', breaker: { failureRate: 0 }', 'services.orders.breaker.failureRate'],
    [', breaker: { opensMs: 5 }', 'services.orders.breaker.opensMs'],
  ])('is refused with its path where it cannot hold: %s', (keys, path) => {
    expect(parse(keys).problems.map((problem) => problem.split(':')[0])).toEqual([path])
  })
})
