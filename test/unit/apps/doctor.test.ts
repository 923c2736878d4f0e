import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Check, DoctorOptions } from '../../../src/apps/doctor.ts'
import { roomFinding } from '../../../src/apps/doctor/data.ts'
import { authority, pairFiles } from '../../support/certificates.ts'
import { cli } from '../../support/cli.ts'
import { canary, doctorBench, namesOf as stateOf, type DoctorBench } from '../../support/doctor-place.ts'
import { fakeVault } from '../../support/vault.ts'

const dayMs = 86_400_000

describe('doctor', () => {
  let bench: DoctorBench
  let home: string
  let url: string
  beforeAll(async () => {
    bench = await doctorBench()
    ;({ home, url } = bench)
  })
  afterAll(() => bench[Symbol.asyncDispose]())
  const place = () => bench.place()
  const look = (folder: string, more: Partial<DoctorOptions> = {}) => bench.look(folder, more)

  it('finds nothing wrong with what is healthy', async () => {
    const checks = await look(place())
    expect(checks.filter(({ state }) => state !== 'ok')).toEqual([])
    expect(checks).toHaveLength(17)
  })

  const inFile = (name: string, change: (text: string) => string) => (folder: string) => {
    const file = join(folder, name)
    writeFileSync(file, change(readFileSync(file, 'utf8')))
  }
  const mode = (name: string, bits: number) => (folder: string) => chmodSync(join(folder, name), bits)
  const lastSegment = (folder: string) => {
    const root = join(folder, 'data', 'streams')
    const logs = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'))
    return join(root, logs.sort().at(-1) ?? '')
  }
  const flip = (file: string) => {
    const bytes = readFileSync(file)
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(file, bytes)
  }

  it.each<[string, string, (folder: string) => void, RegExp]>([
    [
      'configuration',
      'an unknown key',
      inFile('sluicegate.yaml', (text) => `${text}lisen: {}\n`),
      /Unknown key 'lisen'/,
    ],
    ['data', 'a directory that others may write to', mode('data', 0o777), /Others may write/],
    ['keys', 'a key that others may read', mode('data/keys/session.key', 0o644), /can be read by others/],
    [
      'keys',
      'a key that is none',
      (f) => writeFileSync(join(f, 'data/keys/deployment.pem'), 'x'),
      /no Ed25519 private key/,
    ],
    [
      'keys',
      'a trust file that is none',
      (f) => writeFileSync(join(f, 'data/trust.json'), '{'),
      /trust\.json cannot be used/,
    ],
    [
      'admin token',
      'an admin token that others may read',
      mode('data/keys/admin.token', 0o640),
      /can be read by others/,
    ],
    ['evidence', 'a record that was changed', (f) => flip(lastSegment(f)), /does not verify/],
    [
      'state',
      'a damaged database',
      (f) => writeFileSync(join(f, 'data/state.db'), 'x'.repeat(8192)),
      /state\.db cannot be used/,
    ],
    ['policies', 'an example that fails', inFile('policies/own.yaml', (text) => text.replace('expect: policy_denied', 'expect: allow')), /the example/], // prettier-ignore
    [
      'detections',
      'a rule that cannot be read',
      inFile('detections/own.yml', (text) => `${text}nonsense: 1\n`),
      /nonsense/,
    ],
    ['detections', 'a folder that is gone', (f) => rmSync(join(f, 'detections'), { recursive: true }), /detections: cannot be read \(ENOENT\)/], // prettier-ignore
    [
      'secrets',
      'a secret that is gone',
      (f) => rmSync(join(f, 'orders.secret')),
      /services\.orders\.token: .*is not there/,
    ],
    ['certificates', 'a key of another certificate', (f) => {
      const other = pairFiles(mkdtempSync(join(home, 'x-')), authority('other').issue('127.0.0.1'))
      cpSync(other.key, join(f, 'gate.key'))
    }, /certificate of listen/], // prettier-ignore
    ['issuers', 'a key set that is none', (f) => writeFileSync(join(f, 'jwks.json'), '{"keys":[]}'), /id\.example/],
    [
      'tickets',
      'a register that is malformed',
      (f) => writeFileSync(join(f, 'tickets.yaml'), 'a: 1'),
      /ticket register/,
    ],
    ['services', 'a backend that is away', inFile('sluicegate.yaml', (text) => text.replace(/eu-west: '[^']*'/, "eu-west: 'http://127.0.0.1:1'")), /orders in eu-west cannot be reached \(ECONNREFUSED\)/], // prettier-ignore
    ['listeners', 'a port that something else has', inFile('sluicegate.yaml', (text) => text.replace('admin: { port: 0', `admin: { port: ${new URL(url).port}`)), /in use, and no gateway answers/], // prettier-ignore
  ])('finds, under %s and nowhere else, %s', async (name, _title, spoil, detail) => {
    const folder = place()
    spoil(folder)
    const checks = await look(folder)
    expect(stateOf(checks, 'bad')).toEqual([name])
    const found = checks.find((one) => one.name === name)
    expect(found?.detail).toMatch(detail)
    expect(found?.fix).toMatch(/\.$/)
    expect(JSON.stringify(checks)).not.toContain(canary)
  })

  it('finds a service whose clock is minutes away', async () => {
    bench.service.skewMs = -180_000
    const checks = await look(place())
    bench.service.skewMs = 0
    expect(stateOf(checks, 'bad')).toEqual(['clocks'])
    expect(checks.find(({ name }) => name === 'clocks')?.detail).toMatch(
      /The clock of orders in eu-west is 1[78]\d s behind ours/,
    )
  })

  it('finds an old Node, and a proxy that would void the check of addresses', async () => {
    const old = await look(place(), { nodeVersion: '22.1.0' })
    expect(stateOf(old, 'bad')).toEqual(['process'])
    const proxied = await look(place(), { environment: { NODE_USE_ENV_PROXY: '1' } })
    expect(stateOf(proxied, 'bad')).toEqual(['process'])
    const silenced = await look(place(), { environment: { OTEL_SDK_DISABLED: 'true' } })
    expect(stateOf(silenced, 'warn')).toEqual(['process'])
    const named = await look(place(), { environment: { HTTPS_PROXY: 'http://p' } })
    expect([stateOf(named, 'bad'), stateOf(named, 'warn')]).toEqual([[], ['process']])
  })

  it('warns of what works and should not stay as it is', async () => {
    const folder = place()
    const old = new Date(Date.now() - 61 * dayMs)
    utimesSync(join(folder, 'orders.secret'), old, old)
    const aged = authority('test authority').issue('127.0.0.1', { fromDays: -91, toDays: 13 })
    const pair = pairFiles(mkdtempSync(join(home, 'x-')), aged)
    cpSync(pair.cert, join(folder, 'gate.crt'))
    cpSync(pair.key, join(folder, 'gate.key'))
    const checks = await look(folder, { environment: { LEAK: `Bearer ${canary}-admin` } })
    expect([stateOf(checks, 'bad'), stateOf(checks, 'warn')]).toEqual([[], ['secrets', 'certificates']])
    const said = checks.map(({ detail }) => detail).join(' ')
    expect(said).toContain('services.orders.token is 61 days old')
    expect(said).toContain('admin.token also stands in the environment variable LEAK')
    expect(said).toMatch(/It is 91 days old.*It expires in 1[23] days/)
    expect(said).not.toContain(canary)
  })

  it('asks a service with the certificate that is for it, and judges that one, too', async () => {
    const root = authority('services')
    const folder = place()
    writeFileSync(join(folder, 'services.crt'), root.cert)
    pairFiles(folder, root.issue('gateway', { use: ['client'] }), 'client')
    const { cert, key } = root.issue('127.0.0.1')
    const options = { cert, key, ca: root.cert, requestCert: true, rejectUnauthorized: true }
    const strict = createSecureServer(options, (_request, response) => void response.writeHead(404).end())
    strict.listen(0, '127.0.0.1')
    await once(strict, 'listening')
    const at = `https://127.0.0.1:${(strict.address() as AddressInfo).port}`
    const file = join(folder, 'sluicegate.yaml')
    const text = readFileSync(file, 'utf8')
    const withTls = (tls: string) => writeFileSync(file, text.replace(/ {2}orders: .*/, `  orders: { token: 'file:orders.secret', tls: ${tls}, regions: { eu-west: '${at}', us-east: '${at}' } }`)) // prettier-ignore
    withTls('{ ca: services.crt, cert: client.crt, key: client.key }')
    const well = await look(folder)
    expect(well.filter(({ state }) => state !== 'ok')).toEqual([])
    expect(well.find(({ name }) => name === 'certificates')?.detail).toBe('listen, services.orders: in order')
    withTls('{ ca: services.crt }')
    expect(stateOf(await look(folder), 'bad')).toEqual(['services'])
    withTls('{ ca: services.crt, cert: client.crt, key: gate.key }')
    const mismatched = await look(folder)
    expect([stateOf(mismatched, 'bad'), stateOf(mismatched, 'warn')]).toEqual([['certificates'], ['services']])
    strict.closeAllConnections()
    strict.close()
  })

  it('follows references to Vault, and says why they lead nowhere', async () => {
    const vault = await fakeVault()
    await vault.put('secret/orders', { token: canary })
    const folder = place()
    writeFileSync(join(folder, 'vault.token'), await vault.token('secret/orders'), { mode: 0o600 })
    const file = join(folder, 'sluicegate.yaml')
    const text = readFileSync(file, 'utf8').replace('file:orders.secret', 'vault:secret/orders#token')
    writeFileSync(
      file,
      `${text}secrets: { provider: vault, vault: { url: '${vault.url}', token: 'file:vault.token' } }\n`,
    )
    expect(stateOf(await look(folder), 'bad')).toEqual([])
    await vault.seal?.()
    const checks = await look(folder)
    await vault.close()
    expect(stateOf(checks, 'bad')).toEqual(['secrets'])
    expect(checks.find(({ name }) => name === 'secrets')?.detail).toContain('it is sealed')
    expect([canary, ...vault.given].filter((word) => JSON.stringify(checks).includes(word))).toEqual([])
  })

  it('asks a ticket register as the gateway would', async () => {
    let answer = '{"tickets":[]}'
    const register = createServer((_request, response) => void response.end(answer)).listen(0, '127.0.0.1')
    await once(register, 'listening')
    const folder = place()
    const file = join(folder, 'sluicegate.yaml')
    const at = `http://127.0.0.1:${(register.address() as AddressInfo).port}/tickets`
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('file: tickets.yaml', `url: '${at}', token: 'file:orders.secret'`))
    expect(stateOf(await look(folder), 'bad')).toEqual([])
    answer = '<html>'
    expect(stateOf(await look(folder), 'bad')).toEqual(['tickets'])
    rmSync(join(folder, 'orders.secret'))
    const blind = await look(folder)
    expect([stateOf(blind, 'bad'), stateOf(blind, 'warn')]).toEqual([['secrets'], ['tickets']])
    register.closeAllConnections()
    register.close()
  })

  it('judges free space', () => {
    expect([10, 500, 5_000].map((mib) => roomFinding(mib * 1024 * 1024).state)).toEqual(['bad', 'warn', 'ok'])
  })

  it('says of a look that hangs that it hangs, and tells the others', async () => {
    const hanging = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(hanging, 'listening')
    const folder = place()
    const { port } = hanging.address() as AddressInfo
    const file = join(folder, 'sluicegate.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/us-east: '[^']*'/, `us-east: 'http://127.0.0.1:${port}'`))
    const checks = await look(folder, { timeoutMs: 3_000 })
    hanging.closeAllConnections()
    hanging.close()
    expect(checks.find(({ name }) => name === 'services')?.detail).toContain('took longer than 3 s')
    expect(stateOf(checks, 'ok')).toContain('configuration')
  })

  it('is a command: 0 when nothing is bad, 1 when something is, 3 for what it does not know', async () => {
    const folder = place()
    const args = ['doctor', '--config', join(folder, 'sluicegate.yaml'), '--data', join(folder, 'data')]
    const well = await cli(...args)
    expect([well.code, well.stderr]).toEqual([0, ''])
    expect(well.stdout).toMatch(/^ok {4}configuration /m)
    rmSync(join(folder, 'jwks.json'))
    const ill = await cli(...args, '--json')
    expect(ill.code).toBe(1)
    const { ok, checks } = JSON.parse(ill.stdout.trim().split('\n').at(-1) ?? '') as { ok: boolean; checks: Check[] }
    expect([ok, stateOf(checks, 'bad')]).toEqual([false, ['issuers']])
    expect((await cli('doctor', '--prove')).code).toBe(3)
  })
})

describe('token', () => {
  it('lives no longer than auth.maxTtlSeconds allows, and says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluicegate-token-'))
    const file = join(folder, 'sluicegate.yaml')
    writeFileSync(file, 'mode: development\nauth: { maxTtlSeconds: 120 }\n')
    const asked = ['token', '--sub', 'agent:a', '--tenant', 'acme', '--grant', 'orders.read', '--data', folder, '--config', file] // prettier-ignore
    const { code, stdout } = await cli(...asked)
    const claims = JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString()) as { exp: number; iat: number } // prettier-ignore
    expect([code, claims.exp - claims.iat]).toEqual([0, 120])
    const long = await cli(...asked, '--ttl', '121')
    expect([long.code, long.stderr]).toEqual([3, expect.stringContaining('1 to 120 seconds')])
    rmSync(folder, { recursive: true })
  })
})
