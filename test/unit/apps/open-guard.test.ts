import { afterEach, describe, expect, it } from 'vitest'
import type { Keys } from '../../../src/adapters/keys-file.ts'
import type { Passage } from '../../../src/adapters/outgoing-gate.ts'
import type { ServiceClient } from '../../../src/adapters/service-http.ts'
import { openGuard, type OpenGuard } from '../../../src/apps/open-guard.ts'
import type { GatewayOptions } from '../../../src/apps/options.ts'
import { breakerLevels, queueLengths } from '../../../src/apps/service-gate.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { defaultGuard } from '../../../src/limits/guard.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
import type { Meters } from '../../../src/telemetry/metrics.ts'
import { aReceipt } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

let open: OpenGuard | undefined
afterEach(() => open?.close())

async function bench() {
  const [clock, awake] = [testClock(), testClock()]
  const entries: EvidenceEntry[] = []
  const reported: JsonObject[] = []
  const held: string[] = []
  const guard = await openGuard({
    options: { state: 'memory', report: (line: JsonObject) => reported.push(line) } as unknown as GatewayOptions,
    clock,
    awake,
    keys: { historyKey: new Uint8Array(32) } as Keys,
    log: { append: async (entry: EvidenceEntry) => (entries.push(entry), aReceipt) } as never,
    meters: { heldBack: (server: string, why: string) => held.push(`${server} ${why}`) } as unknown as Meters,
    observer: { ownCall: () => ({ traceparent: '', end: () => 0 }) },
    open: () => ({ close: async () => undefined }) as ServiceClient,
    tell: async () => undefined,
    fault: () => undefined,
    inForce: () => ({}) as GatewayOptions,
  })
  open = guard
  const passage = (): Passage => ({
    target: 'flags/us-east',
    guard: defaultGuard,
    tenant: 'acme',
    signal: new AbortController().signal,
    first: true,
  })
  /** Five calls through one of the gates, during each of which time goes by. */
  const slow = async (gate: OpenGuard['gates'][number], meanwhile: () => void) => {
    for (let count = 0; count < 5; count += 1)
      await gate.pass(passage(), async () => meanwhile(), () => 'ok').catch(() => undefined) // prettier-ignore
  }
  return { guard, clock, awake, entries, reported, held, slow }
}

describe('the guard’s own ways to the services', () => {
  it('are slow by the time in which the process ran: one that stood still says nothing of them', async () => {
    const { guard, clock, awake, slow } = await bench()
    const [looks] = guard.gates
    await slow(looks!, () => clock.advance(1_501))
    expect(breakerLevels(guard.gates)['flags/us-east (rollout looks)']).toBe(0)
    await slow(looks!, () => awake.advance(1_501))
    expect(breakerLevels(guard.gates)['flags/us-east (rollout looks)']).toBe(2)
  })

  it('are seen each under its own name: as evidence, for operators and in metrics', async () => {
    const { guard, awake, entries, reported, held, slow } = await bench()
    const [looks, rollbacks] = guard.gates
    await slow(looks!, () => awake.advance(1_501))
    await slow(looks!, () => undefined)
    expect(entries).toMatchObject([
      { type: 'service.breaker', ext: { server: 'flags/us-east (rollout looks)', state: 'open' } },
    ])
    expect(reported).toMatchObject([{ breaker: 'open', server: 'flags/us-east (rollout looks)' }])
    expect(held[0]).toBe('flags/us-east (rollout looks) breaker_open')
    await slow(rollbacks!, () => undefined)
    expect(breakerLevels(guard.gates)).toEqual({
      'flags/us-east (rollout looks)': 2,
      'flags/us-east (rollbacks)': 0,
    })
    expect(queueLengths(guard.gates)).toEqual({ 'flags/us-east (rollout looks)': 0, 'flags/us-east (rollbacks)': 0 })
  })
})
