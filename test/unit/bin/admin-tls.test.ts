import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { TlsSection } from '../../../src/config/tls-section.ts'
import { authority, pairFiles } from '../../support/certificates.ts'
import { cli } from '../../support/cli.ts'
import { openTestGateway, type TestGateway } from '../../support/gateway.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-admin-tls-'))
const [servers, clients, strangers] = [authority('servers'), authority('clients'), authority('strangers')]
const serverCa = join(folder, 'servers.crt')
writeFileSync(serverCa, servers.cert)
const clientCa = join(folder, 'clients.crt')
writeFileSync(clientCa, clients.cert)
const ana = pairFiles(folder, clients.issue('ana', { use: ['client'] }), 'ana')
const eve = pairFiles(folder, strangers.issue('eve', { use: ['client'] }), 'eve')
const tls: TlsSection = {
  ...pairFiles(folder, servers.issue('gate'), 'gate'),
  ca: clientCa,
  clientCert: 'require',
  minVersion: '1.3',
  rotationDays: 90,
}

let gate: TestGateway
beforeAll(async () => {
  gate = await openTestGateway({ admin: { tls } })
})
afterEach(() => vi.unstubAllEnvs())
afterAll(async () => {
  await gate.close()
  rmSync(folder, { recursive: true })
})

const at = (...more: readonly string[]) => ['--data', gate.data, '--admin', gate.admin, ...more]
const shown = ({ cert, key }: { cert: string; key: string }) => ['--ca', serverCa, '--cert', cert, '--key', key]

describe('a command, to an admin listener that asks for a client certificate,', () => {
  it('shows the one it is given: switch', async () => {
    const engage = ['switch', 'engage', 'tool', 'flag.set', '--reason', 'drill', '--json']
    const engaged = await cli(...engage, ...at(...shown(ana)))
    expect([engaged.code, engaged.stderr]).toEqual([0, ''])
    const { id } = JSON.parse(engaged.stdout) as { id: string }
    expect(gate.started.gateway.switches.list()).toMatchObject([{ id }])
    expect((await cli('switch', 'list', ...at(...shown(ana)))).stdout).toContain(id)
    const released = await cli('switch', 'release', id, '--reason', 'over', ...at(...shown(ana)))
    expect([released.code, gate.started.gateway.switches.list()]).toEqual([0, []])
  })

  it('shows the one it is given: grant', async () => {
    const asked = ['--principal', 'agent:release', '--tenant', 'acme', '--scope', 'flags.write:prod', '--reason', 'r']
    const requested = await cli('grant', 'request', ...asked, '--by', 'ana', '--json', ...at(...shown(ana)))
    expect([requested.code, requested.stderr]).toEqual([0, ''])
    const { id } = JSON.parse(requested.stdout) as { id: string }
    expect((await cli('grant', 'approve', id, '--approver', 'ben', ...at(...shown(ana)))).stdout).toContain('granted')
    expect((await cli('grant', 'list', ...at(...shown(ana)))).stdout).toContain(id)
  })

  it('takes everything from the environment where the command line is silent', async () => {
    vi.stubEnv('SLUICEGATE_ADMIN', gate.admin)
    vi.stubEnv('SLUICEGATE_ADMIN_TOKEN_FILE', join(gate.data, 'keys', 'admin.token'))
    vi.stubEnv('SLUICEGATE_ADMIN_CA', serverCa)
    vi.stubEnv('SLUICEGATE_ADMIN_CERT', ana.cert)
    vi.stubEnv('SLUICEGATE_ADMIN_KEY', ana.key)
    const listed = await cli('switch', 'list', '--data', join(folder, 'nowhere'))
    expect([listed.code, listed.stdout]).toEqual([0, 'No switch is engaged.\n'])
  })

  it.each<[string, () => readonly string[], RegExp]>([
    ['no certificate', () => ['--ca', serverCa], /pass one with --cert and --key/],
    ['a certificate of another authority', () => shown(eve), /may not take the certificate of --cert/],
    ['no authority', () => ['--cert', ana.cert, '--key', ana.key], /Pass the authority of its certificate with --ca/],
    ['the authority of others', () => ['--ca', clientCa, '--cert', ana.cert, '--key', ana.key], /with --ca/],
    ['half a pair', () => ['--ca', serverCa, '--cert', ana.cert], /both --cert and --key, or neither/],
    ['a key of another certificate', () => shown({ ...ana, key: eve.key }), /key does not belong to the certificate/],
    ['a file that is not there', () => ['--ca', join(folder, 'none')], /none cannot be read \(ENOENT\)/],
  ])('says with %s what it needs, and does nothing', async (_what, files, sentence) => {
    const refused = await cli('switch', 'engage', 'tool', 'flag.set', '--reason', 'r', ...at(...files()))
    expect([refused.code, refused.stdout]).toEqual([3, ''])
    expect(refused.stderr).toMatch(sentence)
    expect(gate.started.gateway.switches.list()).toEqual([])
  })

  it('sends nothing in clear where it was given what TLS needs, and names https to whoever forgot it', async () => {
    const clear = gate.admin.replace('https:', 'http:')
    const where = ['switch', 'list', '--data', gate.data, '--admin', clear]
    expect((await cli(...where, ...shown(ana))).stderr).toMatch(/speaks no TLS/)
    expect(await cli(...where)).toMatchObject({ code: 3, stderr: expect.stringMatching(/--admin https:/) as string })
  })

  it.each([
    ['switch', 'list'],
    ['switch', 'engage'],
    ['switch', 'release'],
    ['grant', 'request'],
    ['grant', 'approve'],
    ['grant', 'deny'],
    ['grant', 'list'],
    ['grant', 'show'],
    ['doctor'],
  ])('is told of in the help of %s %s', async (...words) => {
    const { code, stdout } = await cli(...words, '--help')
    expect(code).toBe(0)
    for (const option of ['--ca <file>', '--cert <file>', '--key <file>', 'SLUICEGATE_ADMIN_KEY'])
      expect(stdout).toContain(option)
  })
})
