import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { vaultHttp } from '../../src/adapters/vault-http.ts'
import { authority } from '../support/certificates.ts'
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
    const { secrets, faults } = secretsAt(vault.url, byToken(token), { timeoutMs: 200 })
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

describe('a Vault behind TLS', () => {
  it('is trusted by the authority that is named, and by no other; its namespace goes along', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluicegate-vault-tls-'))
    const [ours, others] = [authority('ours'), authority('others')]
    for (const [name, { cert }] of Object.entries({ ours, others })) writeFileSync(join(folder, `${name}.crt`), cert)
    const vault = await fakeVault(ours.issue('127.0.0.1'))
    const token = await vault.token('*')
    const ask = async (ca?: string) => {
      const http = vaultHttp({ url: vault.url, namespace: 'team/a', ...(ca !== undefined && { ca: join(folder, ca) }) })
      const reply = await http({ method: 'GET', path: 'auth/token/lookup-self', token }).catch((error: Error) => error)
      await http.close()
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
    expect(() => vaultHttp({ url: vault.url, ca: join(folder, 'none') })).toThrow('secrets.vault.ca, cannot be read')
    await vault.close()
    rmSync(folder, { recursive: true })
  })
})
