import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { openIssuerKey } from '../../../src/adapters/issuer-key-file.ts'
import { tokenCommand } from '../../../src/bin/commands/token.ts'
import { systemClock } from '../../../src/adapters/clock-system.ts'
import { defaultAudience, developmentIssuer, developmentIssuerName, IssueError } from '../../../src/identity/issuer.ts'
import { verifier } from '../../../src/identity/token.ts'
import { testClock } from '../../support/clock.ts'

const request = { sub: 'agent:copilot', tenant: 'acme', scopes: ['orders.read', 'flags.write:staging'], ttlSec: 600 }
const key = generateKeyPairSync('ed25519').privateKey
const folder = mkdtempSync(path.join(tmpdir(), 'sluicegate-issuer-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => vi.unstubAllEnvs())

function bench() {
  const clock = testClock()
  const issuer = developmentIssuer({ key, clock, mode: 'development' })
  const { verify } = verifier({
    issuers: [issuer.trusted],
    audience: defaultAudience,
    clock,
    cacheMax: 10,
  })
  return { issuer, verify }
}

describe('the development issuer', () => {
  it('issues what a verifier that trusts it accepts, and knows for its own', async () => {
    const { issuer, verify } = bench()
    const verified = await verify(issuer.issue({ ...request, region: 'EU', sid: 'demo-1' }))
    expect(verified).toMatchObject({
      ok: true,
      token: {
        claims: {
          subject: 'agent:copilot',
          tenant: 'acme',
          scopes: request.scopes,
          region: 'EU',
          sid: 'demo-1',
          selfIssued: true,
          ttlSec: 600,
        },
      },
    })
  })

  it('never issues the same token twice', () => {
    const { issuer } = bench()
    expect(issuer.issue(request)).not.toBe(issuer.issue(request))
  })

  it.each([
    ['a wildcard', { scopes: ['flags.*'] }, /wildcard/],
    ['a malformed scope', { scopes: ['two words'] }, /not a scope/],
    ['a life beyond ten minutes', { ttlSec: 601 }, /1 to 600 seconds/],
    ['no life at all', { ttlSec: 0 }, /1 to 600 seconds/],
    ['a malformed tenant', { tenant: 'acme globex' }, /tenant/],
    ['a malformed subject', { sub: 'a b' }, /subject/],
    ['a malformed session', { sid: '' }, /sid/],
  ])('refuses %s', (_what, change, message) => {
    const { issuer } = bench()
    expect(() => issuer.issue({ ...request, ...change })).toThrow(message)
  })

  it('does not exist in production', () => {
    expect(() => developmentIssuer({ key, clock: testClock(), mode: 'production' })).toThrow(IssueError)
  })
})

describe('the issuer key file', () => {
  it('is made once, for its owner only, by however many ask at once', async () => {
    const data = path.join(folder, 'fresh', 'nested')
    const keys = await Promise.all(Array.from({ length: 5 }, () => openIssuerKey(nodeFiles(), data)))
    const [first] = keys
    expect(keys.every((other) => first?.equals(other))).toBe(true)
    expect(statSync(path.join(data, 'keys', 'issuer.pem')).mode & 0o077).toBe(0)
  })

  it('is refused when others may read it, or when it is no key', async () => {
    const data = path.join(folder, 'bad')
    await openIssuerKey(nodeFiles(), data)
    const file = path.join(data, 'keys', 'issuer.pem')
    chmodSync(file, 0o644)
    await expect(openIssuerKey(nodeFiles(), data)).rejects.toThrow(/read by others/)
    chmodSync(file, 0o600)
    writeFileSync(file, 'nothing')
    await expect(openIssuerKey(nodeFiles(), data)).rejects.toThrow(/no Ed25519/)
  })
})

describe('the token command', () => {
  async function run(...args: readonly string[]): Promise<string> {
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    try {
      const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
      tokenCommand(program)
      await program.parseAsync(['node', 'sluicegate', 'token', ...args])
      return written.mock.calls.map(([text]) => String(text)).join('')
    } finally {
      written.mockRestore()
    }
  }

  const asked = [
    '--sub',
    'agent:copilot',
    '--tenant',
    'acme',
    '--grant',
    'orders.read',
    '--grant',
    'flags.write:staging',
  ]

  it('prints a token alone on its line, which the gateway of the same data directory accepts', async () => {
    const data = path.join(folder, 'cli')
    const printed = await run(...asked, '--ttl', '300', '--data', data)
    expect(printed).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    const { trusted } = developmentIssuer({
      key: await openIssuerKey(nodeFiles(), data),
      clock: systemClock(),
      mode: 'development',
    })
    const { verify } = verifier({
      issuers: [trusted],
      audience: defaultAudience,
      clock: systemClock(),
      cacheMax: 1,
    })
    expect(await verify(printed.trim())).toMatchObject({
      ok: true,
      token: { claims: { issuer: developmentIssuerName, scopes: ['orders.read', 'flags.write:staging'], ttlSec: 300 } },
    })
  })

  it('uses the audience of the configuration it is given', async () => {
    const config = path.join(folder, 'audience.yaml')
    writeFileSync(config, 'mode: development\nauth:\n  audience: https://gate.example\n')
    const printed = await run(...asked, '--data', path.join(folder, 'cli'), '--config', config)
    expect(Buffer.from(printed.split('.')[1] ?? '', 'base64url').toString()).toContain('"aud":"https://gate.example"')
  })

  it('is refused in production, and leaves no key behind', async () => {
    const config = path.join(folder, 'production.yaml')
    const data = path.join(folder, 'production')
    writeFileSync(config, 'mode: production\n')
    await expect(run(...asked, '--data', data, '--config', config)).rejects.toThrow(/production/)
    vi.stubEnv('NODE_ENV', 'production')
    await expect(run(...asked, '--data', data)).rejects.toThrow(/production/)
    expect(existsSync(data)).toBe(false)
  })

  it('refuses wildcards, long lives and times that are no numbers', async () => {
    const data = ['--data', path.join(folder, 'cli')]
    await expect(run('--sub', 'a', '--tenant', 't', '--grant', 'orders.*', ...data)).rejects.toThrow(/wildcard/)
    await expect(run(...asked, '--ttl', '601', ...data)).rejects.toThrow(/600/)
    await expect(run(...asked, '--ttl', 'long', ...data)).rejects.toThrow(/whole seconds/)
  })
})
