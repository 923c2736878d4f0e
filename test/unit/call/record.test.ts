import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Partly } from '../../../src/call/call.ts'
import type { Outcome } from '../../../src/call/outcome.ts'
import { notes } from '../../../src/call/record.ts'
import { registrableDomain } from '../../../src/detection/domain.ts'
import { scanner } from '../../../src/dlp/scan.ts'
import { canonicalizeIntegers } from '../../../src/evidence/canonical.ts'
import { recordBytesMax } from '../../../src/evidence/chain.ts'
import { EvidenceRecord, type EvidenceEntry } from '../../../src/evidence/record.ts'
import { aTool, ready, received, someone } from '../../support/calls.ts'

const scan = scanner({ hashKey: () => ({ id: 'h1', key: new Uint8Array(32) }) })
const noted = notes({
  digest: () => ({ digest: 'ab'.repeat(32), alg: 'hmac-sha256', keyId: '2026-11', sizeBytes: 2 }),
  fingerprint: () => ({ hash16: 'a'.repeat(16), simhash16: 'b'.repeat(16) }),
  policyDigest: () => '',
  detectorVersion: 'dlp-1',
  registrableDomain,
  clean: (text) => scan.scan(text).count === 0,
})

const ok: Outcome = { kind: 'ok', answer: { content: [], isError: false } }
const refused: Outcome = { kind: 'refused', refusal: { denied: { code: 'policy_denied', message: 'No.' } } }
const ending = (call: Partly, outcome: Outcome = ok) => noted.ending(call, outcome, { limit: 1.5 })
const names = (count: number, length = 8) => Array.from({ length: count }, (_, n) => `${n}`.padEnd(length, 'x'))

/** The entry as the log would store it. */
function stored(entry: EvidenceEntry): EvidenceRecord {
  const around = {
    v: 1,
    stream: 's',
    seq: 0,
    prev: '0'.repeat(64),
    tsMs: 0,
    wallMs: 0,
    monoNs: '0',
    boot: '0'.repeat(32),
  }
  return EvidenceRecord.parse({ ...entry, ...around })
}

const sizeOf = (entry: EvidenceEntry) => Buffer.byteLength(canonicalizeIntegers(stored(entry) as never))

describe('the record of a call', () => {
  it('keeps 256 of 300 rules and scopes, and says how many there were', () => {
    const verdict = { effect: 'allow', rules: names(300), redact: [], routeConflict: false } as const
    const entry = ending(ready(aTool(), { verdict, who: { ...someone, rights: names(400) } }))
    expect(stored(entry).decision?.rules).toEqual(names(256))
    expect(entry.grants).toHaveLength(256)
    expect(entry.ext?.['cut']).toEqual({ 'decision.rules': 300, grants: 400 })
  })

  it('stays below what the log takes, however much there was to say', () => {
    const long = names(1_000, 500).map((name) => `"\u0001é${name}`)
    const shadow = { effect: 'deny', rules: long } as const
    const redact = long.map((field) => ({ field, mode: 'mask' as const }))
    const verdict = { effect: 'allow', rules: long, redact, routeConflict: false, shadow } as const
    const who = { ...someone, rights: long, outsideAllow: long }
    const entry = ending(ready(aTool(), { verdict, who }))
    expect(sizeOf(entry)).toBeLessThan(recordBytesMax - 512)
    expect(entry.ext?.['cut']).toMatchObject({ 'decision.rules': 1_000, 'ext.scopesOutsideAllow': 1_000 })
  })

  it('says nothing of cuts where nothing was cut', () => {
    expect(ending(ready()).ext).not.toHaveProperty('cut')
  })

  it('fits the schema, whatever the call was', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 2_000 }), fc.constant('\ud800'), fc.constant(''))
    const number = fc.oneof(fc.double(), fc.integer(), fc.constant(Number.MAX_VALUE))
    const list = fc.oneof(fc.array(text, { maxLength: 20 }), fc.constant(names(1_000)))
    const hostile = fc.record({
      toolName: text,
      client: text,
      plan: fc.record({ id: text, step: number, depth: number, retry: number }, { requiredKeys: [] }),
      rules: list,
      shadow: list,
      rights: list,
      outside: list,
      actor: text,
      rows: number,
      host: text,
      cause: text,
      known: fc.boolean(),
      replayOf: text,
    })
    fc.assert(
      fc.property(hostile, fc.constantFrom('ok', 'refused', 'failed'), (made, kind) => {
        const { known, rules, shadow, rights, outside, actor, rows, host, cause, ...call } = made
        const tool = aTool({ effect: 'write', needsIdemKey: true })
        const destination = { url: new URL('https://x.example/'), domain: host, allowed: true }
        const verdict = {
          effect: 'allow',
          rules,
          redact: [],
          routeConflict: false,
          shadow: { effect: 'deny', rules: shadow },
        } as const
        const who = {
          ...someone,
          rights,
          outsideAllow: outside,
          actor: { id: actor, type: 'agent', client: actor },
        } as const
        const idem = { storeKey: 'k', keyDigest: 'cd'.repeat(32) }
        const all = ready(tool, { ...call, who, verdict, destination, idem })
        const outcome: Outcome =
          kind === 'ok'
            ? { ...ok, replayOf: made.replayOf }
            : { ...refused, kind, refusal: { ...refused.refusal, rules, cause } }
        const whole = known ? { ...all, result: { structured: {}, rows } } : received(call)
        expect(sizeOf(ending(whole, outcome))).toBeLessThan(recordBytesMax)
        expect(sizeOf(noted.intent(all))).toBeLessThan(recordBytesMax)
      }),
      { numRuns: 200 },
    )
  })

  it('keeps the agent’s own names where they are names, and a digest of all else', () => {
    const digest = `h:${'ab'.repeat(8)}`
    const plans = ['plan-7.a:b', 'ana@private.example', '4111111111111111', 'two words', 'x'.repeat(65), '']
    expect(plans.map((id) => ending({ ...ready(), plan: { id } }).agentPlan?.id)).toEqual([
      'plan-7.a:b',
      ...Array.from({ length: 5 }, () => digest),
    ])
    const clients = ['copilot 1.2 (linux)', 'mail ana@private.example', 'a\u001b[2J']
    expect(clients.map((client) => ending({ ...ready(), client }).actor?.client)).toEqual([clients[0], digest, digest])
  })

  it('names an unknown tool by a digest', () => {
    const entry = ending(received({ toolName: 'ana@private.example' }), refused)
    expect(entry.tool).toEqual({ name: '_OTHER' })
    expect(entry.ext?.['toolHash']).toBe(`h:${'ab'.repeat(8)}`)
    expect(ending(ready()).ext).not.toHaveProperty('toolHash')
  })

  it('keeps a host, but no label that carries data', () => {
    const hosts = ['api.vendor.example', '4111111111111111.vendor.example', '4111111111111111.example', '8.8.8.8']
    const entries = hosts.map((domain) =>
      ending(ready(aTool(), { destination: { url: new URL('https://x.example/'), domain, allowed: true } })),
    )
    expect(entries.map(({ egress }) => egress?.domain)).toEqual([
      hosts[0],
      'vendor.example',
      expect.stringMatching(/^h:/) as string,
      '8.8.8.8',
    ])
    expect(JSON.stringify(entries)).not.toContain('4111')
  })

  it('says of a repeat which key it came with and which call it repeats', () => {
    const idem = { storeKey: 'k', keyDigest: 'cd'.repeat(32) }
    const entry = ending(ready(aTool(), { idem }), { ...ok, replayOf: 'call-0' })
    expect(entry.idem).toEqual({ keyDigest: idem.keyDigest, replayOf: 'call-0' })
    expect(entry.ext).not.toHaveProperty('replayOf')
  })
})
