import { describe, expect, it } from 'vitest'
import { ephemeralSigner } from '../../../src/adapters/signer-local.ts'
import type { Command, IssuedBy } from '../../../src/control/command.ts'
import { engage, OrderRequest, release } from '../../../src/control/order.ts'
import { commandLine, commandType, readCommandLine, type TrustedKey } from '../../../src/control/signed.ts'
import { formatRecordLine, pae } from '../../../src/evidence/chain.ts'
import { publicKeyOf } from '../../../src/evidence/signature.ts'

const operator: IssuedBy = { kind: 'operator', name: 'sre' }
const detector: IssuedBy = { kind: 'detector', rule: 'loop-arrest', version: 1, digest: 'ab' }
const origin = { id: 'sw-1', seq: 0, atMs: 1_756_700_000_000, issuedBy: operator }
const session = '0123456789ab-s0123456789ab'

const deploymentKey = ephemeralSigner()
const detectorKey = ephemeralSigner()
const strange = ephemeralSigner()
const trusted: readonly TrustedKey[] = [
  { kid: deploymentKey.kid, publicKey: publicKeyOf(deploymentKey.publicKey), use: 'deployment' },
  { kid: detectorKey.kid, publicKey: publicKeyOf(detectorKey.publicKey), use: 'detector' },
]

const order = (more: object = {}): Command =>
  engage({ kind: 'session', target: session, reason: 'test', ...more }, { ...origin, ...more })

async function read(command: Command, signer = deploymentKey) {
  const line = Buffer.from(await commandLine(command, signer))
  return readCommandLine(line.subarray(0, -1), trusted)
}

describe('a request for a switch', () => {
  it.each([
    [{ kind: 'session', target: 'copilot' }, /session key/],
    [{ kind: 'egress', target: 'https://evil.example/x' }, /domain without scheme/],
    [{ kind: 'grant', target: '*' }, /scope/],
    [{ kind: 'limits', target: 'acme' }, /rpm=10/],
    [{ kind: 'limits', target: 'acme', set: { speed: 1 } }, /speed|set/i],
    [{ kind: 'tool', target: 'flag.set', set: { rpm: 1 } }, /only a limits switch/],
    [{ kind: 'tool', target: 'flag set' }, /no spaces/],
    [{ kind: 'tool', target: 'flag.set', ttlMs: 10 }, /one second/],
    [{ kind: 'tool', target: 'flag.set', ttlMs: 1e12 }, /90 days/],
    [{ kind: 'consumer', target: 'siem' }, /nothing obeys/],
    [{ kind: 'tenant', target: 'all' }, /one tenant/],
    [{ kind: 'tool', target: 'flag.set', tenant: 'all' }, /one tenant/],
    [{ kind: 'everything', target: 'x' }, /kind must be one of/],
    [{ kind: 'tool', target: 'flag.set', why: 'x' }, /why/],
  ])('%j is refused with what to mend', (request, sentence) => {
    const parsed = OrderRequest.safeParse({ reason: 'r', ...request })
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toMatch(sentence)
  })

  it('lasts an hour unless it says otherwise', () => {
    expect(order()).toMatchObject({ ttlMs: 3_600_000 })
  })

  it('spells a domain in one way', () => {
    expect(order({ kind: 'egress', target: 'Bücher.Example.' })).toMatchObject({ target: 'xn--bcher-kva.example' })
  })
})

describe('a signed order', () => {
  it('is read back as it was given', async () => {
    expect(await read(order())).toEqual({ kind: 'ok', command: order(), signedBy: deploymentKey.kid })
  })

  it('counts for nothing when it is signed by a stranger, changed, or not canonical', async () => {
    expect(await read(order(), strange)).toEqual({ kind: 'bad', why: 'no trusted key signed it' })
    const line = (await commandLine(order(), deploymentKey)).trimEnd()
    expect(readCommandLine(Buffer.from(line.replace('test', 'best')), trusted)).toMatchObject({ kind: 'bad' })
    const spaced = JSON.stringify(order(), undefined, 1)
    const signature = deploymentKey.sign(pae(commandType, Buffer.from(spaced)))
    const spacedLine = Buffer.from(formatRecordLine(spaced, signature).trimEnd())
    expect(readCommandLine(spacedLine, trusted)).toEqual({ kind: 'bad', why: 'its bytes are not canonical' })
  })

  it('counts for nothing when it was signed as evidence', async () => {
    const text = (await commandLine(order(), deploymentKey)).split('\t')[0] as string
    const signature = deploymentKey.sign(pae('application/vnd.sluicegate.evidence.v1+json', Buffer.from(text)))
    expect(readCommandLine(Buffer.from(formatRecordLine(text, signature).trimEnd()), trusted)).toMatchObject({
      kind: 'bad',
    })
  })

  it('of a detector’s key engages what a detector may, for a day at most, and releases nothing', async () => {
    const by = { issuedBy: detector }
    expect(await read(order(by), detectorKey)).toMatchObject({ kind: 'ok' })
    const beyond = [
      order({ ...by, kind: 'tenant', target: 'acme' }),
      order({ ...by, kind: 'read-only', target: 'all' }),
      order({ ...by, ttlMs: 25 * 3_600_000 }),
      order(),
      release('sw-1', 'over', { seq: 0, atMs: 0, issuedBy: detector }),
    ]
    for (const command of beyond) expect(await read(command, detectorKey)).toMatchObject({ kind: 'bad' })
  })

  it('of an operator’s key does not speak for a detector', async () => {
    expect(await read(order({ issuedBy: detector }), deploymentKey)).toMatchObject({ kind: 'bad' })
  })
})
