import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { readBaseline } from '../../../src/config/baseline.ts'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const production = 'auth: { issuers: [{ issuer: "https://id.example.com", jwks: jwks.json }] }\n'
const parse = (text: string) => parseConfig(text, '/etc/sluicegate/sluicegate.yaml')
const told = (text: string) => {
  const { problems, warnings } = parse(text)
  return [problems.map(({ path }) => path), warnings.map(({ path }) => path)]
}
const pair = 'cert: gate.crt, key: gate.key'

describe('listen.tls', () => {
  it('means 1.3, no client certificates, and a new certificate every 90 days, unless it says otherwise', () => {
    const { config, problems } = parse(`${production}listen: { tls: { ${pair} } }\n`)
    expect(problems).toEqual([])
    expect(config?.listen.tls).toEqual({
      cert: '/etc/sluicegate/gate.crt',
      key: '/etc/sluicegate/gate.key',
      clientCert: 'none',
      minVersion: '1.3',
      rotationDays: 90,
    })
  })

  it('requires client certificates where it names their authorities', () => {
    const { config } = parse(`${production}listen: { tls: { ${pair}, ca: clients.crt } }\n`)
    expect(config?.listen.tls).toMatchObject({ ca: '/etc/sluicegate/clients.crt', clientCert: 'require' })
  })

  it.each([
    [`{ ${pair}, clientCert: require }`, 'listen.tls.clientCert', /needs tls\.ca/],
    [`{ ${pair}, clientCert: request }`, 'listen.tls.clientCert', /needs tls\.ca/],
    [`{ ${pair}, minVersion: "1.1" }`, 'listen.tls.minVersion', /must be "1.2" or "1.3"/],
    [`{ ${pair}, minVersion: 1.3 }`, 'listen.tls.minVersion', /quoted/],
    [`{ ${pair}, cipher: x }`, 'listen.tls.cipher', /Unknown key/],
    ['{ cert: gate.crt }', 'listen.tls.key', /./],
  ])('refuses %s', (tls, path, sentence) => {
    const [problem] = parse(`${production}listen: { tls: ${tls} }\n`).problems
    expect(problem).toMatchObject({ path, message: expect.stringMatching(sentence) })
  })
})

describe('a listener beyond loopback', () => {
  it('needs TLS in production, and is told of it in development', () => {
    expect(told(`${production}listen: { host: 0.0.0.0 }\n`)).toEqual([['listen.host'], []])
    expect(told(`${production}admin: { host: 10.0.0.7 }\n`)).toEqual([['admin.host'], []])
    expect(told(`mode: development\nlisten: { host: 0.0.0.0 }\n`)).toEqual([[], ['listen.host']])
  })

  it('is fine with it', () => {
    expect(told(`${production}listen: { host: 0.0.0.0, tls: { ${pair} } }\n`)).toEqual([[], []])
  })

  it.each(['127.0.0.1', 'localhost', '::1', '127.8.9.10'])('is not one at %s', (host) => {
    expect(told(`${production}listen: { host: "${host}" }\n`)).toEqual([[], []])
  })

  it.each(['127.evil.example', 'localhost.evil.example', '::', '1127.0.0.1'])('is one at %s', (host) => {
    expect(told(`${production}listen: { host: "${host}" }\n`)).toEqual([['listen.host'], []])
  })
})

describe('auth.mtls', () => {
  const withMtls = production.replace('auth: {', 'auth: { mtls: true,')

  it.each([
    ['', /add listen\.tls/],
    [`listen: { tls: { ${pair} } }\n`, /add listen\.tls\.ca/],
    [`listen: { tls: { ${pair}, ca: clients.crt, clientCert: request } }\n`, /say require/],
  ])('is refused where agents without a certificate would be served: %s', (listen, sentence) => {
    expect(parse(`${withMtls}${listen}`).problems).toMatchObject([
      { path: 'auth.mtls', message: expect.stringMatching(sentence) },
    ])
  })

  it('is met by a listener that requires client certificates', () => {
    expect(told(`${withMtls}listen: { tls: { ${pair}, ca: clients.crt } }\n`)).toEqual([[], []])
  })
})

/* A baseline in a file, and where its problems are said to be. */
const file = join(mkdtempSync(join(tmpdir(), 'baseline-')), 'base.yaml')

const at = (where: readonly (string | number)[], message: string) => ({ file, line: 1, path: where.join('.'), message }) // prettier-ignore

describe('the transport section of a baseline', () => {
  function read(transport: string, listen: string) {
    writeFileSync(file, `transport: ${transport}\n`)
    const { config } = parse(`${production}baseline: ${file}\nlisten: ${listen}\n`)
    return readBaseline(config as NonNullable<typeof config>, at)
  }

  it('raises the lowest version, and never lowers it', () => {
    const lax = `{ tls: { ${pair}, minVersion: "1.2" } }`
    expect(read('{ tls_min_version: "1.3" }', lax).config.listen.tls?.minVersion).toBe('1.3')
    expect(read('{ tls_min_version: "1.2" }', `{ tls: { ${pair} } }`).config.listen.tls?.minVersion).toBe('1.3')
  })

  it('shortens the life of certificates, and never lengthens it', () => {
    const tls = `{ tls: { ${pair}, rotationDays: 60 } }`
    expect(read('{ cert_rotation_days: 30 }', tls).config.listen.tls?.rotationDays).toBe(30)
    expect(read('{ cert_rotation_days: 90 }', tls).config.listen.tls?.rotationDays).toBe(60)
  })

  it('is not met beyond loopback by TLS without client certificates', () => {
    const open = read('{ mtls: true }', `{ host: 0.0.0.0, tls: { ${pair} } }`)
    expect(open.problems.map(({ path }) => path)).toEqual(['transport.mtls'])
    expect(read('{ mtls: true }', `{ host: 0.0.0.0, tls: { ${pair}, ca: c.crt } }`).problems).toEqual([])
  })
})

describe('services.<name>.tls', () => {
  const service = (tls: string, url = 'https://orders.example') =>
    `${production}services: { orders: { regions: { eu-west: "${url}", us-east: "${url}" }, tls: ${tls} } }\n`

  it('means 1.3 and no certificate of its own, unless it says otherwise', () => {
    const { config, problems } = parse(service('{ ca: services.crt }'))
    expect(problems).toEqual([])
    const sections = config?.services as Readonly<Record<string, { readonly tls?: object }>>
    expect(sections['orders']?.tls).toEqual({ ca: '/etc/sluicegate/services.crt', minVersion: '1.3', rotationDays: 90 })
  })

  it.each([
    [service('{ cert: a }'), 'services.orders.tls', /cert and key, or neither/],
    [service('{ issuedBy: a }'), 'services.orders.tls.issuedBy', /about tls\.cert/],
    [service('{ pin: a }'), 'services.orders.tls.pin', /Unknown key/],
    [service('{ ca: a }', 'http://orders.example'), 'services.orders.regions.eu-west', /needs https/],
  ])('refuses what would hold for nothing', (text, path, sentence) => {
    expect(parse(text).problems[0]).toMatchObject({ path, message: expect.stringMatching(sentence) })
  })

  it('is missed where production speaks to a service in clear beyond loopback', () => {
    const clear = (url: string) => told(`${production}services: { orders: { regions: { eu-west: "${url}", us-east: "${url}" } } }\n`) // prettier-ignore
    expect(clear('http://orders.example')[1]).toEqual(['services.orders.regions.eu-west', 'services.orders.regions.us-east']) // prettier-ignore
    expect(clear('http://127.0.0.1:7000')[1]).toEqual([])
    expect(clear('https://orders.example')[1]).toEqual([])
  })

  it('is as strict as the baseline', () => {
    writeFileSync(file, 'transport: { tls_min_version: "1.3", cert_rotation_days: 30, mtls: true }\n')
    const read = (tls: string) => {
      const { config } = parse(service(tls))
      return readBaseline({ ...(config as NonNullable<typeof config>), baseline: file }, at)
    }
    const { config, warnings } = read('{ minVersion: "1.2" }')
    expect(config.services).toMatchObject({ orders: { tls: { minVersion: '1.3', rotationDays: 30 } } })
    expect(warnings.map(({ path }) => path)).toEqual(['transport.mtls'])
    expect(read('{ cert: a, key: b }').warnings).toEqual([])
  })
})
