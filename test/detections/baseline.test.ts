import { describe, expect, it } from 'vitest'
import { ephemeralSigner } from '../../src/adapters/signer-local.ts'
import { simulateBaseline } from '../../src/demo/baseline.ts'
import { honestActors, honestVendors } from '../../src/demo/honest-days.ts'
import { detector } from '../../src/detection/fold.ts'
import { signSnapshot, verifySnapshot } from '../../src/detection/snapshot.ts'
import type { Json } from '../../src/ports/json.ts'
import { call, noonMs, rulesOf, run, stream } from './events.ts'
import { shippedRules } from './shipped-rules.ts'

const rules = shippedRules()
const baseline = simulateBaseline({ rules, endMs: noonMs })

/** The shipped rules, everything learned, everything enforced that may be. */
function learned() {
  const fold = detector({ rules, stages: { default: 'enforce', rules: {} } })
  fold.restore(baseline.snapshot)
  return fold
}

function chainFindings(tools: readonly string[], fields = {}) {
  const event = stream()
  return rulesOf(run(learned(), tools.map((tool, step) => event('mcp_tool_invoke', noonMs + step * 1_000, call(tool, fields)))))
}

function upload(domain: string, bytes: number) {
  const event = stream()
  const fields = call('web.fetchSafe', { 'egress.registrable_domain': domain, 'egress.bytes_out': bytes })
  return rulesOf(run(learned(), [event('mcp_egress', noonMs, fields)]))
}

describe('the simulated baseline', () => {
  it('shows at least 14 days and 200 sessions of each tenant', () => {
    expect(baseline.days).toBeGreaterThanOrEqual(14)
    expect(baseline.sessions).toBeGreaterThanOrEqual(200 * Object.keys(honestVendors).length)
    expect(honestActors.length).toBeGreaterThan(2)
  })

  it('is the same for the same options', () => {
    expect(JSON.stringify(simulateBaseline({ rules, endMs: noonMs }).snapshot)).toBe(JSON.stringify(baseline.snapshot))
  })

  it('raises nothing but notes about chains that were new at the time', () => {
    expect(Object.keys(baseline.alerts)).toEqual(['novel_tool_chain'])
    expect(baseline.alerts['novel_tool_chain']).toBeLessThan(baseline.sessions / 10)
  })

  it.each([
    [['orders.export']],
    [['orders.export', 'flag.set', 'flag.set', 'flag.set']],
    [['orders.export', 'web.fetchSafe']],
    [['orders.export', 'crm.bulk_update']],
    [['crm.bulk_update', 'orders.export']],
  ])('lets %j pass in silence', (tools) => {
    expect(chainFindings(tools)).toEqual([])
  })

  it('finds a chain that no session showed', () => {
    expect(chainFindings(['orders.export', 'crm.bulk_update', 'flag.set', 'web.fetchSafe'])).toContain('novel_tool_chain')
  })

  it.each([102_400, 204_800])('finds %i bytes to a domain nobody used', (bytes) => {
    expect(upload('collector.example', bytes)).toEqual(['exfil_new_vendor_spike'])
  })

  it('is not moved by a small post to a new domain, or a large one to a vendor in use', () => {
    expect(upload('collector.example', 2_000)).toEqual([])
    expect(upload('carrier-rates.example', 204_800)).toEqual([])
  })

  it('finds a tainted destination after an export, with and without an instruction in it', () => {
    const fields = { 'taint.sink.tainted': true, 'taint.sink.value_hash': 'f'.repeat(32) }
    expect(chainFindings(['orders.export', 'web.fetchSafe'], { ...fields, 'taint.sink.source_markers': 2 })).toContain('tainted_sink')
    expect(chainFindings(['orders.export', 'web.fetchSafe'], { ...fields, 'taint.sink.source_markers': 0 })).toContain('tainted_sink')
  })
})

describe('a signed snapshot', () => {
  const deployment = ephemeralSigner()
  const trusted = new Map([[deployment.kid, deployment.publicKey]])

  it('comes back whole', async () => {
    const envelope = await signSnapshot(baseline.snapshot, deployment)
    const opened = verifySnapshot(JSON.parse(JSON.stringify(envelope)), trusted)
    expect(opened).toEqual({ kind: 'ok', snapshot: JSON.parse(JSON.stringify(baseline.snapshot)) as Json, signedBy: deployment.kid })
  })

  it('is refused from a key that is not trusted', async () => {
    const envelope = await signSnapshot({ format: 'x' }, ephemeralSigner())
    expect(verifySnapshot(envelope, trusted)).toEqual({ kind: 'refused', message: expect.stringMatching(/not trusted/) as string })
  })

  it('is refused when a byte of it changed', async () => {
    const envelope = await signSnapshot({ format: 'x', n: 1 }, deployment)
    const forged = { ...envelope, payload: Buffer.from('{"format":"x","n":2}').toString('base64') }
    expect(verifySnapshot(forged, trusted)).toEqual({ kind: 'refused', message: expect.stringMatching(/signature does not hold/) as string })
  })

  it.each([null, [], {}, { payloadType: 'x' }, 'text'])('is refused when it is %j', (value) => {
    expect(verifySnapshot(value, trusted).kind).toBe('refused')
  })

  it('is not restored when it is of another format', () => {
    expect(() => learned().restore({ format: 'other' })).toThrow(/no detector snapshot of format/)
  })
})
