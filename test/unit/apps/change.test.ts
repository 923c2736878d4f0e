import { describe, expect, it, vi } from 'vitest'
import { changes, type ChangesParts } from '../../../src/apps/change.ts'
import type { GatewayOptions } from '../../../src/apps/options.ts'
import type { Alert } from '../../../src/detection/alert.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { aReceipt } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'
import { until } from '../../support/until.ts'

const optionsOf = (configDigest: string, policy: string, sinks: readonly unknown[] = []) =>
  ({
    configDigest,
    policy: { digest: policy, rulesCount: 1 },
    catalog: { digest: 'c', list: [] },
    detector: { rules: { digest: 'r' } },
    egress: {},
    sinks,
    services: { tls: {} },
    secrets: { report: () => undefined },
  }) as unknown as GatewayOptions

/** Two versions, and everything that may fail on the way from one to the other. */
function bench(failing: Readonly<Record<string, true>> = {}) {
  const events: string[] = []
  const told: Alert[] = []
  const fails = (what: string): void => {
    if (failing[what]) throw new Error(`${what} failed`)
  }
  const close = vi.fn(async () => undefined)
  const before = optionsOf('one', 'p1', [{ close }])
  let inForce = before
  const parts = {
    service: {
      options: () => inForce,
      build: (options: GatewayOptions) => (fails('build'), { options }),
      swap: ({ options }: { options: GatewayOptions }) => (events.push('swap'), void (inForce = options)),
    },
    detector: {
      prepare: () => (fails('prepare'), () => void events.push('rules')),
      settled: async () => undefined,
      tell: async (alert: Alert) => void told.push(alert),
    },
    log: {
      append: async ({ type }: EvidenceEntry) => {
        fails(type)
        events.push(type)
        return aReceipt
      },
    },
    meters: { reload: (result: string) => void events.push(`metric ${result}`) },
    clock: testClock(),
    report: () => undefined,
    fault: () => void events.push('fault'),
  } as unknown as ChangesParts
  return { made: changes(parts), events, told, close, inForce: () => inForce, before }
}

describe('a change of configuration', () => {
  const next = optionsOf('two', 'p2')

  it('is written down before any of it is in force, and last of all that it is', async () => {
    const { made, events, inForce, close } = bench()
    await made.change(next)
    expect(events).toEqual(['policy.load', 'config.load', 'rules', 'swap', 'metric loaded'])
    expect([inForce(), made.now()]).toEqual([next, next])
    await until(() => close.mock.calls.length === 1, 'the old one to be closed')
  })

  it.each(['build', 'prepare', 'policy.load', 'config.load'])('is none when %s fails', async (what) => {
    const { made, events, inForce, before, close } = bench({ [what]: true })
    await expect(made.change(next)).rejects.toThrow(`${what} failed`)
    expect(inForce()).toBe(before)
    expect(events.filter((event) => event === 'swap' || event === 'rules' || event === 'metric loaded')).toEqual([])
    expect(close).not.toHaveBeenCalled()
  })

  it('that was refused is told to sinks, even when it cannot be written down', async () => {
    const { made, events, told } = bench({ 'config.refused': true })
    await made.refused({
      digest: 'two',
      problems: ['/etc/x/rules.yaml:3: The rule is wrong.', 'mode: It is read once.'],
    })
    expect(events).toEqual(['metric refused', 'fault'])
    expect(told).toMatchObject([{ rule: 'config_refused', severity: 'high', evidence: [] }])
  })
})
