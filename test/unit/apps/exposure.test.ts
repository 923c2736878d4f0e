import { describe, expect, it } from 'vitest'
import { exposedSecrets, proxySettings, refuseProxy } from '../../../src/apps/exposure.ts'
import { fixedSecret, withdrawnSecret } from '../../support/secrets.ts'

const value = 'canary-77aa12c9'
const secrets = [fixedSecret(value, 'admin.token'), fixedSecret('short', 'weak'), withdrawnSecret()]

describe('a secret that others can read', () => {
  it.each([
    ['the environment', { environment: { OTHER: `Bearer ${value}` } }, /admin\.token also stands in the environment variable OTHER/], // prettier-ignore
    ['the command line', { environment: {}, argv: ['serve', `--x=${value}`] }, /admin\.token also stands on the command line/], // prettier-ignore
    ['a variable of Vault', { environment: { VAULT_TOKEN: 'x' } }, /VAULT_TOKEN holds a secret/],
    [
      'a variable of the exporter',
      { environment: { OTEL_EXPORTER_OTLP_HEADERS: 'a=b' } },
      /OTEL_EXPORTER_OTLP_HEADERS/,
    ],
  ])('is found in %s, and not repeated', (_where, started, sentence) => {
    const found = exposedSecrets(secrets, started)
    expect(found).toEqual([expect.stringMatching(sentence)])
    expect(found.join()).not.toContain(value)
  })

  it('is not found where there is none', () => {
    expect(exposedSecrets(secrets, { environment: { PATH: '/bin', EMPTY: '', S: 'short' }, argv: ['short'] })).toEqual(
      [],
    )
  })
})

describe('a proxy', () => {
  it.each([
    [{ NODE_USE_ENV_PROXY: '1' }, []],
    [{ NODE_OPTIONS: '--use-env-proxy' }, []],
    [{}, ['--use-env-proxy']],
  ])('that Node uses is refused in either mode: %j %j', (environment, argv) => {
    for (const mode of ['development', 'production'] as const)
      expect(() => refuseProxy(mode, { environment, argv })).toThrow('told to use a proxy')
  })

  it('that is only named is refused in production', () => {
    const started = { environment: { https_proxy: 'http://proxy:3128' }, argv: [] }
    expect(() => refuseProxy('production', started)).toThrow('https_proxy names a proxy')
    expect(() => refuseProxy('development', started)).not.toThrow()
  })

  it('is none where nothing names one', () => {
    expect(proxySettings({ environment: { NODE_USE_ENV_PROXY: '0', HTTP_PROXY: '' } })).toEqual({})
  })
})
