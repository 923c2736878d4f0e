import { describe, expect, it } from 'vitest'
import { found, kinds } from './finders.ts'

/** Random-looking, and nobody's. Never written whole, so that scanners of this repository stay quiet. */
const random = 'q7Zt2LmX9vKc4RbN8wYs1HdF6gJp3QaT5uVe'
const dash = '-'.repeat(5)

describe('vendor tokens', () => {
  it.each([
    ['GitHub', `ghp_${random}`],
    ['Slack', `xoxb-${random}`],
    ['Stripe', `sk_live_${random}`],
    ['Google', `AIza${random.slice(0, 35)}`],
    ['OpenAI', `sk-proj-${random}`],
    ['SendGrid', `SG.${random.slice(0, 22)}.${random}`],
    ['npm', `npm_${random}`],
  ])('of %s are found', (_vendor, token) => expect(found(`use ${token}, please`)).toEqual([`token:${token}`]))

  it('of AWS are found', () => {
    const id = ['AK', 'IA', 'Q7ZT2LMX4VKC5RBN'].join('')
    expect(found(`id ${id}`)).toEqual([`aws_key:${id}`])
  })

  it.each([
    `ghp_${'x'.repeat(36)}`,
    'sk-learn and sk-image are libraries',
    'AKIA is a prefix',
    'task-sk-proj',
    'npm_config_registry_of_the_whole_company',
    'secret_santa_list',
  ])('are not seen in %j', (text) => expect(found(text)).toEqual([]))
})

describe('JSON Web Tokens', () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = `${part({ alg: 'EdDSA', typ: 'JWT' })}.${part({ sub: 'someone' })}.${random}`

  it('are found', () => expect(found(`got ${jwt}.`)).toEqual([`jwt:${jwt}`]))
  it('need a header with alg', () => expect(kinds(`${part({ a: 1, b: 'no header at all' })}.x.y`)).not.toContain('jwt'))
})

describe('private keys', () => {
  const key = `${dash}BEGIN PRIVATE KEY${dash}\n${random}\n${random}\n${dash}END PRIVATE KEY${dash}`

  it('are found whole', () => expect(found(`a\n${key}\nb`)).toEqual([`private_key:${key}`]))
  it('are covered when their end was cut off', () =>
    expect(found(`${dash}BEGIN RSA PRIVATE KEY${dash}\n${random}`)[0]).toContain(random))
  it('are not certificates', () =>
    expect(found(`${dash}BEGIN CERTIFICATE${dash}\nMIIB\n${dash}END CERTIFICATE${dash}`)).toEqual([]))
})

describe('connection strings', () => {
  it.each([
    'postgres://app:h7Gq2xZ9@db.internal:5432/orders',
    'mongodb+srv://root:p@ss/w0rd@cluster.example/test',
    'amqp://svc:s3cr3t-pw@10.0.0.5',
  ])('with a password are covered from scheme to end: %s', (text) => {
    const [first] = found(`DSN ${text} end`)
    expect(first).toMatch(/^connection_string:/)
    expect(first).toContain(text.slice(0, text.indexOf('@')))
  })

  it.each([
    'https://example.com/a?b=c',
    'postgres://localhost/db',
    'postgres://user:password@localhost/db',
    'redis://:${PASS}@host',
  ])('without one are left: %s', (text) => expect(found(text)).toEqual([]))
})

describe('secrets by name', () => {
  it.each([
    ['password=hunter22', 'password:hunter22'],
    ['"db_password": "correct horse"', 'password:correct horse'],
    ["passwd => 'tr0ub4dor'", 'password:tr0ub4dor'],
    [`api_key: ${random}`, `token:${random}`],
    [`Authorization: Bearer ${random}`, `token:${random}`],
    [`export AWS_SECRET_ACCESS_KEY=${random}`, `token:${random}`],
    ['Server=db;User Id=sa;Password=Zx81!pq;', 'password:Zx81!pq'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each([
    'password: string',
    'password=<your password>',
    'password: ${DB_PASSWORD}',
    'password = os.environ["PW"]',
    'const token = getToken()',
    'token: next',
    'api_key=YOUR_API_KEY',
    'public_key = abcdefgh12345678',
    'page_token=abc123def456ghi7',
    'the password is: see vault',
  ])('are not seen in %j', (text) => expect(found(text)).toEqual([]))
})
