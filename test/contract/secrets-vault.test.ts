import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { tlsFiles, type CertificateEvent } from '../../src/adapters/tls-files.ts'
import { vaultHttp, type VaultError } from '../../src/adapters/vault-http.ts'
import type { Secret } from '../../src/ports/secret.ts'
import { authority } from '../support/certificates.ts'
import { fixedSecret } from '../support/secrets.ts'
import { until } from '../support/until.ts'
import { fakeVault } from '../support/vault.ts'
import { byToken, secretsAt, vaultLaws } from '../support/vault-laws.ts'
import { noRealVault, realVault, realVaultFound } from '../support/vault-real.ts'

vaultLaws('a fake', () => fakeVault())
vaultLaws(realVaultFound ?? noRealVault, realVault, realVaultFound === undefined)

describe('a Vault that misbehaves', () => {
  it.each([
    ['answers with a redirect', 'it answered 307', 307, '{}', { location: 'http://127.0.0.1:1/v1/secret/data/a' }],
    ['answers in HTML', 'no JSON object', 200, '<html>', {}],
    ['says one thing twice', 'no JSON object', 200, '{"data":{"path":"secret/"},"data":{}}', {}],
    ['answers for ever', 'larger than', 200, `{"data":"${'x'.repeat(1_100_000)}"}`, {}],
    ['names another mount', 'names no mount', 200, '{"data":{"path":"other/"}}', {}],
    ['is overloaded', 'it answered 429', 429, '{}', {}],
    ['breaks', 'it answered 500', 500, '{"errors":["hvs.canary"]}', {}],
  ])('is no Vault that says no, when it %s: the last value serves', async (_title, why, status, body, headers) => {
    const vault = await fakeVault()
    await vault.put('secret/a', { value: 'here' })
    const { secrets, faults } = secretsAt(vault.url, byToken(await vault.token('*')))
    const secret = await secrets.open('test.secret', { path: 'secret/a', field: 'value' })
    vault.misbehave((response) => void response.writeHead(status, headers).end(body))
    for (let n = 0; n < 2; n++) await secrets.refresh()
    expect(secret.current()).toBe('here')
    expect(faults).toEqual([expect.stringContaining(why)])
    expect(faults.join()).not.toContain('canary')
    vault.misbehave(undefined)
    await secrets.close()
    await vault.close()
  })

  it('is asked once a round while it is silent, and is not waited for longer than its time', async () => {
    const vault = await fakeVault()
    const token = await vault.token('*')
    const { secrets, faults } = secretsAt(vault.url, byToken(token))
    for (const name of ['a', 'b', 'c']) {
      await vault.put(`secret/${name}`, { value: name })
      await secrets.open(`test.${name}`, { path: `secret/${name}`, field: 'value' })
    }
    vault.misbehave(() => undefined)
    const before = vault.asked.length
    await secrets.refresh()
    expect(vault.asked.length - before).toBe(1)
    expect(faults).toHaveLength(3)
    expect(faults[0]).toContain('it did not answer in time')
    await vault.close()
    await secrets.close()
  })

  it.each<readonly [string, number | undefined, string]>([
    ['is an error', 500, '{}'],
    ['is a request to slow down', 429, '{}'],
    ['is no JSON', 200, '<html>'],
    ['is larger than it may be', 200, `{"data":"${'x'.repeat(1_100_000)}"}`],
    ['names no mount', 200, '{"data":{"path":"other/","type":"kv"}}'],
    ['holds no data', 200, '{}'],
    ['breaks off', undefined, ''],
  ])('keeps one path waiting and no other, when the answer for that one %s', async (_what, status, text) => {
    const vault = await fakeVault()
    const { secrets, faults } = secretsAt(vault.url, byToken(await vault.token('*')))
    const opened = []
    for (const name of ['a', 'b', 'c']) {
      await vault.put(`secret/${name}`, { value: `${name}-old` })
      opened.push(await secrets.open(`test.${name}`, { path: `secret/${name}`, field: 'value' }))
      await vault.put(`secret/${name}`, { value: `${name}-new` })
    }
    const spoil = (response: ServerResponse) =>
      status === undefined ? response.destroy() : response.writeHead(status).end(text)
    vault.misbehave((response) => void spoil(response), '/secret/b')
    await secrets.refresh()
    expect(opened.map((one) => one.current())).toEqual(['a-new', 'b-old', 'c-new'])
    expect(faults).toEqual([expect.stringContaining('asked for secret/b (test.b)')])
    vault.misbehave(undefined)
    await secrets.close()
    await vault.close()
  })

  it('keeps the others waiting for one round at most, when one path never answers', async () => {
    const vault = await fakeVault()
    const { secrets } = secretsAt(vault.url, byToken(await vault.token('*')))
    const opened = []
    for (const name of ['a', 'b', 'c']) {
      await vault.put(`secret/${name}`, { value: 'old' })
      opened.push(await secrets.open(`test.${name}`, { path: `secret/${name}`, field: 'value' }))
      await vault.put(`secret/${name}`, { value: 'new' })
    }
    vault.misbehave(() => undefined, '/secret/b')
    await secrets.refresh()
    await secrets.refresh()
    expect(opened.map((one) => one.current())).toEqual(['new', 'old', 'new'])
    await vault.close()
    await secrets.close()
  })

  it('is not asked for one path after the other while no login succeeds', async () => {
    const vault = await fakeVault()
    const { roleId, secretId } = await vault.appRole('*')
    const login = { kind: 'appRole', mount: 'approle', roleId: fixedSecret(roleId), secretId: fixedSecret(secretId) } as const // prettier-ignore
    const { secrets, clock, faults } = secretsAt(vault.url, login, { renew: false })
    for (const name of ['a', 'b', 'c']) {
      await vault.put(`secret/${name}`, { value: name })
      await secrets.open(`test.${name}`, { path: `secret/${name}`, field: 'value' })
    }
    // Past two thirds of its hour the token is let go.
    clock.advance(41 * 60_000)
    vault.misbehave((response) => void response.writeHead(500).end('{}'), 'auth/approle/login')
    const before = vault.asked.length
    await secrets.refresh()
    expect(vault.asked.slice(before)).toEqual(['POST /v1/auth/approle/login'])
    expect(faults[0]).toContain('our login failed, it answered 500')
    vault.misbehave(undefined)
    await secrets.close()
    await vault.close()
  })

  it('that cannot renew our token now keeps no path waiting, and the token stays', async () => {
    const vault = await fakeVault()
    await vault.put('secret/a', { value: 'old' })
    const { secrets, clock, faults } = secretsAt(vault.url, byToken(await vault.token('*')))
    const secret = await secrets.open('test.a', { path: 'secret/a', field: 'value' })
    await vault.put('secret/a', { value: 'new' })
    clock.advance(41 * 60_000)
    vault.misbehave((response) => void response.writeHead(500).end('{}'), 'renew-self')
    for (let n = 0; n < 2; n++) await secrets.refresh()
    expect(secret.current()).toBe('new')
    expect(vault.asked.filter((one) => one.includes('lookup-self'))).toHaveLength(1)
    expect(faults).toEqual([expect.stringMatching(/asked to renew our token: it answered 500; it is asked again/)])
    await secrets.close()
    await vault.close()
  })

  it('is not asked any more for what nobody needs', async () => {
    const vault = await fakeVault()
    const { secrets, faults } = secretsAt(vault.url, byToken(await vault.token('*')))
    const open = (name: string, path: string) => secrets.open(name, { path, field: 'value' })
    for (const name of ['a', 'b']) await vault.put(`secret/${name}`, { value: name })
    const [a, first, second] = [await open('a', 'secret/a'), await open('b1', 'secret/b'), await open('b2', 'secret/b')]
    const read = async () => {
      const before = vault.asked.length
      await secrets.refresh()
      return vault.asked.slice(before).flatMap((one) => /\/data\/(\w+)$/.exec(one)?.[1] ?? [])
    }
    secrets.release(a)
    secrets.release(first)
    secrets.release(first)
    expect(await read()).toEqual(['b'])
    secrets.release(second)
    expect(await read()).toEqual([])
    await expect(open('none', 'secret/none')).rejects.toThrow('nothing at that path')
    await expect(secrets.open('b3', { path: 'secret/b', field: 'none' })).rejects.toThrow('no field')
    expect(await read()).toEqual([])
    // Whoever is still at it gets the last value, for a while.
    expect(second.current()).toBe('b')
    await vault.put('secret/b', { value: 'again' })
    expect((await open('b4', 'secret/b')).current()).toBe('again')
    expect([await read(), faults]).toEqual([['b'], []])
    await secrets.close()
    await vault.close()
  })

  it('is read no more for a secret that was released, and its last value serves for a bounded time', async () => {
    const vault = await fakeVault()
    await vault.put('secret/a', { value: 'last' })
    const { secrets, clock } = secretsAt(vault.url, byToken(await vault.token('*')), { holdMs: 0, refreshMs: 1_000 })
    const secret = await secrets.open('a', { path: 'secret/a', field: 'value' })
    secrets.release(secret)
    clock.advance(60_000)
    expect(secret.current()).toBe('last')
    clock.advance(2_001)
    expect(() => secret.current()).toThrow('withdrawn')
    await secrets.close()
    await vault.close()
  })

  it('has as many paths watched as there may be, and room again for each that is dropped', async () => {
    const vault = await fakeVault()
    await vault.put('secret/a', { value: 'a' })
    const { secrets } = secretsAt(vault.url, byToken(await vault.token('*')))
    const opened = []
    for (let n = 0; n < 256; n++) {
      await vault.put(`secret/p${n}`, { value: 'x' })
      opened.push(await secrets.open('x', { path: `secret/p${n}`, field: 'value' }))
    }
    const place = { path: 'secret/a', field: 'value' }
    await expect(secrets.open('a', place)).rejects.toThrow('At most 256 paths of Vault can be watched.')
    secrets.release(opened[7] as Secret)
    expect((await secrets.open('a', place)).current()).toBe('a')
    await secrets.close()
    await vault.close()
  })

  it('gets a role’s token back: none is left behind', async () => {
    const vault = await fakeVault()
    await vault.put('secret/a', { value: 'here' })
    const { roleId, secretId } = await vault.appRole('secret/a')
    const secret = (value: string) => ({ name: 'x', current: () => value, ageDays: () => 0 })
    const login = { kind: 'appRole', mount: 'approle', roleId: secret(roleId), secretId: secret(secretId) } as const
    const { secrets } = secretsAt(vault.url, login)
    const both = await Promise.all([
      secrets.open('test.a', { path: 'secret/a', field: 'value' }),
      secrets.open('test.b', { path: 'secret/a', field: 'value' }),
    ])
    await vault.put('secret/a', { value: 'there' })
    await secrets.refresh()
    expect(both.map((one) => one.current())).toEqual(['there', 'there'])
    await expect(secrets.open('test.c', { path: 'secret/c', field: 'value' })).rejects.toThrow('refuses us')
    expect(vault.alive()).toBe(1)
    await secrets.close()
    expect(vault.alive()).toBe(0)
    await vault.close()
  })
})

/** Authorities in a file, looked at all the time. */
const trusting = (ca: string, told: (event: CertificateEvent) => void = () => undefined) =>
  tlsFiles({ name: 'secrets.vault', files: { ca }, use: 'client', minVersion: '1.2', strictKey: false, clock: systemClock(), told, everyMs: 5 }) // prettier-ignore

describe('a Vault behind TLS', () => {
  it('is trusted by the authority that is named, and by no other; its namespace goes along', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluicegate-vault-tls-'))
    const [ours, others] = [authority('ours'), authority('others')]
    for (const [name, { cert }] of Object.entries({ ours, others })) writeFileSync(join(folder, `${name}.crt`), cert)
    const vault = await fakeVault(ours.issue('127.0.0.1'))
    const token = await vault.token('*')
    const ask = async (ca?: string) => {
      const tls = ca === undefined ? undefined : await trusting(join(folder, ca))
      const http = vaultHttp({ url: vault.url, namespace: 'team/a', ...(tls && { tls }) })
      const reply = await http({ method: 'GET', path: 'auth/token/lookup-self', token }).catch((error: Error) => error)
      await http.close()
      tls?.close()
      return reply
    }
    expect(await ask('ours.crt')).toMatchObject({ data: { renewable: true } })
    expect(vault.namespaces).toEqual(['team/a'])
    for (const ca of ['others.crt', undefined])
      expect(await ask(ca)).toMatchObject({
        kind: 'silent',
        message: expect.stringMatching(/cannot be reached \(\w+\)/),
      })
    expect(vault.asked).toHaveLength(1)
    await vault.close()
    rmSync(folder, { recursive: true })
  })

  it('is judged by the authorities that are in the file now; what is none changes nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluicegate-vault-tls-'))
    const ca = join(folder, 'ca.crt')
    const [ours, others] = [authority('ours'), authority('others')]
    writeFileSync(ca, ours.cert)
    const vault = await fakeVault(ours.issue('127.0.0.1'))
    const told: string[] = []
    const tls = await trusting(ca, (event) => void told.push(event.kind))
    const http = vaultHttp({ url: vault.url, tls })
    const token = await vault.token('*')
    const ask = () =>
      http({ method: 'GET', path: 'auth/token/lookup-self', token }).then(
        () => 'answered',
        (error: VaultError) => error.kind,
      )
    expect(await ask()).toBe('answered')
    for (const [text, event, then] of [
      ['no certificate at all', 'refused', 'answered'],
      [others.cert, 'loaded', 'silent'],
      [`${others.cert}${ours.cert}`, 'loaded', 'answered'],
    ] as const) {
      const before = told.length
      writeFileSync(ca, text)
      await until(() => told.length > before)
      expect([told.at(-1), await ask()]).toEqual([event, then])
    }
    await http.close()
    tls.close()
    await vault.close()
    rmSync(folder, { recursive: true })
  })
})
