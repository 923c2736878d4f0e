import { describe, expect, it } from 'vitest'
import type { Mode } from '../../../src/dlp/finding.ts'
import { scanner } from '../../../src/dlp/scan.ts'
import type { Json } from '../../../src/ports/json.ts'

const hashKey = (tenant: string) => ({ id: 'k1', key: new TextEncoder().encode(`key of ${tenant}`) })
const scan = scanner({ hashKey })
const options = { tenant: 'acme', fields: [] }
const redact = (value: Json) => scan.redact(value, options).value

describe('the scanner', () => {
  it('masks emails and phones as constants, other kinds by name', () =>
    expect(redact({ note: 'jane@x.com, 212-555-0100, 123-45-6789, 4111 1111 1111 1111, 8.8.8.8' })).toEqual({
      note: '***@***, ***-***, <ssn>, <card>, <ip>',
    }))

  it('counts by kind', () => {
    const { count, kinds } = scan.scan({ a: 'jane@x.com and joe@x.com', b: ['123-45-6789'], c: 'from 127.0.0.1' })
    expect({ count, kinds }).toEqual({ count: 3, kinds: { email: 2, ssn: 1 } })
  })

  it('lists reserved addresses, and leaves them', () => {
    const { value, findings } = scan.redact({ host: '10.0.0.1' }, options)
    expect(value).toEqual({ host: '10.0.0.1' })
    expect(findings.list).toMatchObject([{ kind: 'ip', reserved: true }])
  })

  it('gives back the very input when nothing changes', () => {
    const value = { rows: [{ id: 'ord_100042', total: 12.5, at: '2025-08-25T10:30:00Z' }], ok: true, none: null }
    expect(redact(value)).toBe(value)
  })

  it('never touches its input', () => {
    const value = Object.freeze({
      rows: Object.freeze([Object.freeze({ email: 'jane@x.com' })]),
      text: '{"ssn":"123-45-6789"}',
    })
    const before = JSON.stringify(value)
    redact(value)
    expect(JSON.stringify(value)).toBe(before)
  })

  it('rewrites names of members too, without losing any', () =>
    expect(redact({ 'jane@x.com': 1, 'joe@x.com': 2 })).toEqual({ '***@***': 1, '***@***#2': 2 }))

  it('keeps a member called __proto__ a member', () => {
    const value = JSON.parse('{"__proto__":{"email":"jane@x.com"},"a":"joe@x.com"}') as Json
    expect(JSON.stringify(redact(value))).toBe('{"__proto__":{"email":"***@***"},"a":"***@***"}')
  })

  it('reads numbers', () =>
    expect(redact({ paid: 4111111111111111, total: 123456, ssn: 123456789 })).toEqual({
      paid: '<card>',
      total: 123456,
      ssn: '<ssn>',
    }))

  it('walks JSON inside strings, as deep as it goes', () => {
    const inner = JSON.stringify({ user: { phone: '212-555-0100' } })
    expect(redact({ text: JSON.stringify({ inner }) })).toEqual({
      text: JSON.stringify({ inner: JSON.stringify({ user: { phone: '***-***' } }) }),
    })
  })

  it('finds what a repeated member hides in JSON inside a string', () => {
    const { value } = scan.redact({ text: '{"a":"jane@x.com","a":"fine"}' }, options)
    expect(value).toEqual({ text: '{"a":"***@***","a":"fine"}' })
  })
})

describe('the name of a member', () => {
  it.each<readonly [string, Json, Json]>([
    ['email', 'jane@localhost', '***@***'],
    ['contactPhone', '5550100', '***-***'],
    ['mobile', 2125550100, '***-***'],
    ['ssn', '123456789', '<ssn>'],
    ['date_of_birth', '1984-02-29', '<date_of_birth>'],
    ['password', 'x y', '<password>'],
    ['client_secret', 'abcdefgh', '<token>'],
    ['Authorization', 'Bearer abcdefgh', '<token>'],
    ['cardNumber', '4111111111111112', '<card>'],
    ['iban', 'GB00NWBK60161331926819', '<iban>'],
  ])('decides: %s', (name, value, expected) => expect(redact({ [name]: value })).toEqual({ [name]: expected }))

  it.each<readonly [string, Json]>([
    ['email', 'n/a'],
    ['email', true],
    ['phone', 'none'],
    ['smartphone', '2125550100'],
    ['id', '2125550100'],
    ['orderNumber', 4111111111111111],
    ['page_token', 'abcdefgh12345678'],
    ['name', 'checkout_v2'],
    ['token', 'the next page'],
    ['last_four', '4242'],
    ['password', ''],
    ['publicKey', 'abcdefgh12345678'],
  ])('does not decide: %s %j', (name, value) => expect(redact({ [name]: value })).toEqual({ [name]: value }))

  it('counts names and addresses of people, and leaves them unless told otherwise', () => {
    const value = { first_name: 'Ada', address: { street: '12 High Street' } }
    const { findings, ...result } = scan.redact(value, options)
    expect(result.value).toBe(value)
    expect(findings.kinds).toEqual({ person: 1, address: 1 })
    const strict = scanner({ hashKey, modes: { person: 'mask', address: 'drop' } })
    expect(strict.redact(value, options).value).toEqual({ first_name: '<person>', address: {} })
  })

  it.each(['octocat/hello-world', '10.0.0.1:8080', 'user_42'])(
    'person and address want plausible values, not %s',
    (value) => expect(scan.scan({ full_name: value, address: value }).kinds).toEqual({}),
  )
})

describe('modes by kind', () => {
  const withMode = (mode: Mode) =>
    scanner({ hashKey, modes: { email: mode } }).redact({ note: 'to jane@x.com', keep: 1 }, options)

  it('partial keeps the last four', () => expect(withMode('partial').value).toEqual({ note: 'to ***.com', keep: 1 }))
  it('drop takes the member', () => expect(withMode('drop').value).toEqual({ keep: 1 }))
  it('block stops everything', () => expect(withMode('block')).toMatchObject({ value: null, blocked: 'email' }))

  it('hash is the same for the same value, kind and tenant, and different for another tenant', () => {
    const hashing = scanner({ hashKey, modes: { email: 'hash' } })
    const hash = (tenant: string, text: string) => hashing.redact([text], { tenant, fields: [] }).value
    const [once] = hash('acme', 'Jane@X.com') as readonly string[]
    expect(once).toMatch(/^email:k1:[A-Z2-7]{16}$/)
    expect(hash('acme', 'jane@x.com')).toEqual([once])
    expect(hash('globex', 'jane@x.com')).not.toEqual([once])
  })

  it('block by kind holds under a field rule too', () => {
    const strict = scanner({ hashKey, modes: { token: 'block' } })
    const value = { note: ['api_key', 'q7Zt2LmX9vKc4RbN8wYs'].join('=') }
    expect(strict.redact(value, { tenant: 'acme', fields: [{ field: 'note', mode: 'mask' }] }).blocked).toBe('token')
  })

  it('clear leaves kinds as they are, yet not against a field rule', () => {
    const value = { email: 'jane@x.com', note: 'joe@x.com, 123-45-6789' }
    expect(scan.redact(value, { ...options, clear: ['email'] }).value).toEqual({
      email: 'jane@x.com',
      note: 'joe@x.com, <ssn>',
    })
    const fields = [{ field: 'email', mode: 'mask' as const }]
    expect(scan.redact(value, { tenant: 'acme', fields, clear: ['email'] }).value).toEqual({
      email: '***@***',
      note: 'joe@x.com, <ssn>',
    })
  })
})

describe('findings', () => {
  it('never hold a value', () => {
    const secret = 'canary.Zq81@mail.example'
    const value = {
      [secret]: secret,
      email: secret,
      note: `x ${secret} y`,
      encoded: encodeURIComponent(secret),
      text: JSON.stringify({ [secret]: [secret] }),
    }
    const { findings, value: clean } = scan.redact(value, {
      tenant: 'acme',
      fields: [{ field: 'email', mode: 'partial' }],
      clear: ['phone'],
    })
    expect(findings.count).toBeGreaterThanOrEqual(6)
    for (const each of [findings, clean, scan.scan(value)]) expect(JSON.stringify(each)).not.toMatch(/canary|zq81/i)
  })

  it('are listed up to a maximum, and counted beyond', () => {
    const { count, list } = scan.scan(Array.from({ length: 10_050 }, (_, i) => `u${i}@x.com`))
    expect(count).toBe(10_050)
    expect(list).toHaveLength(10_000)
  })
})
