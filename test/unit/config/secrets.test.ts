import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, parseConfig } from '../../../src/config/load.ts'
import { secretReferences } from '../../../src/config/secrets-section.ts'

const production = 'auth: { issuers: [{ issuer: i, jwks: jwks.json }] }\n'
const parse = (text: string) => parseConfig(`${production}${text}\n`, '/etc/sluicegate/sluicegate.yaml')
const told = (text: string) => parse(text).problems.map(({ path, message }) => `${path}: ${message}`)
const vault = (more: string) => `secrets: { provider: vault, vault: { url: 'https://v.example:8200', ${more} } }`

describe('the secrets section', () => {
  it('takes files alone unless it says where Vault is', () => {
    expect(parse('').config?.secrets).toEqual({ provider: 'file', rotationDays: 60 })
  })

  it('takes a token or a role, with files beside the configuration', () => {
    const { config, problems } =
      parse(`${vault("appRole: { roleId: 'file:role', secretId: 'file:id' }, namespace: a/b")}
admin: { token: 'vault:team/kv/gateway#admin.token' }`)
    expect(problems).toEqual([])
    expect(config?.secrets.vault).toEqual({
      url: 'https://v.example:8200',
      appRole: {
        mount: 'approle',
        roleId: { from: 'file', path: '/etc/sluicegate/role' },
        secretId: { from: 'file', path: '/etc/sluicegate/id' },
      },
      namespace: 'a/b',
      refreshSeconds: 30,
      holdSeconds: 900,
      renew: true,
    })
    expect(config?.admin.token).toEqual({ from: 'vault', path: 'team/kv/gateway', field: 'admin.token' })
    expect(secretReferences(config ?? {}).map(({ name }) => name)).toEqual([
      'admin.token',
      'secrets.vault.appRole.roleId',
      'secrets.vault.appRole.secretId',
    ])
  })

  it.each([
    [vault(''), /secrets\.vault: .*needs either token or appRole/],
    [vault("token: 'file:t', appRole: { roleId: 'file:a', secretId: 'file:b' }"), /needs either token or appRole/],
    [vault("token: 'vault:kv/self#token'"), /secrets\.vault\.token: .*opens Vault and cannot lie in it/],
    [vault("token: 'env:VAULT_TOKEN'"), /secrets\.vault\.token: .*production refuses/],
    [vault("token: 'hvs.canary'"), /never its value/],
    [vault("token: 'file:t', namespace: '../x'"), /must be a namespace/],
    [vault("token: 'file:t', refreshSeconds: 0"), /refreshSeconds/],
    ["secrets: { provider: vault, vault: { url: 'http://v.example:8200', token: 'file:t' } }", /would carry our token in clear/], // prettier-ignore
    ["secrets: { provider: vault, vault: { url: 'https://v.example/path', token: 'file:t' } }", /scheme, host and port alone/], // prettier-ignore
    ['secrets: { provider: vault }', /secrets\.provider: .*say where it is/],
    ["secrets: { vault: { url: 'https://v.example', token: 'file:t' } }", /secrets\.vault is not used/],
    ["admin: { token: 'vault:kv/a#b' }", /^admin\.token: This points to Vault; set secrets\.provider/],
    ["alerts: { sinks: [{ kind: webhook, url: 'https://h.example', secret: 'vault:kv/a#b' }] }", /^alerts\.sinks\.0\.secret: This points to Vault/], // prettier-ignore
  ])('refuses %s', (text, sentence) => {
    const problems = told(text)
    expect(problems).toEqual([expect.stringMatching(sentence)])
    expect(problems.join()).not.toContain('canary')
  })

  it.each([
    'vault:kv#field',
    'vault:kv/a',
    'vault:kv/../sys/seal#x',
    'vault:../kv/a#x',
    'vault:kv/./a#x',
    'vault:kv/..#x',
    'vault:kv//a#x',
    'vault:/kv/a#x',
    'vault:kv/a/#x',
    'vault:kv/a?list=true#x',
    'vault:kv/%2e%2e/a#x',
    'vault:kv/a b#x',
    'vault:kv/a#x#y',
    'vault:kv/a#',
  ])('refuses the place %s, which could lead elsewhere', (place) => {
    expect(told(`${vault("token: 'file:t'")}\nadmin: { token: '${place}' }`)).toEqual([
      expect.stringMatching(/^admin\.token: .*must be vault:<mount>\/<path>#<field>/),
    ])
  })
})

describe('the secrets section of a baseline', () => {
  const folder = mkdtempSync(join(tmpdir(), 'config-secrets-'))
  const load = (baseline: string, more: string) => {
    writeFileSync(join(folder, 'base.yaml'), baseline)
    writeFileSync(join(folder, 'sluicegate.yaml'), `${production}baseline: base.yaml\n${more}\n`)
    return loadConfig(join(folder, 'sluicegate.yaml'))
  }

  it('lowers the age, and never raises it', () => {
    expect(load('secrets: { rotation_days: 30 }', '').config?.secrets.rotationDays).toBe(30)
    expect(load('secrets: { rotation_days: 90 }', '').config?.secrets.rotationDays).toBe(60)
  })

  it('is met by Vault, and told where it is not', () => {
    const warned = (provider: string, more: string) =>
      load(`secrets: { provider: '${provider}' }`, more).warnings.map(({ path }) => path)
    expect(warned('KMS|Vault', vault("token: 'file:t'"))).toEqual([])
    expect(warned('Vault', vault("token: 'file:t'"))).toEqual([])
    expect(warned('KMS', vault("token: 'file:t'"))).toEqual(['secrets.provider'])
    expect(warned('KMS|Vault', '')).toEqual(['secrets.provider'])
  })
})
