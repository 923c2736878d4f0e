import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authority, pairFiles } from '../support/certificates.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { exchanged } from '../support/raw.ts'
import { initialize, modern, modernCall } from '../support/wire.ts'

/* Whatever a listener answers, a browser neither guesses at it, nor shows it in a page of somebody else, nor keeps it. */

const directory = mkdtempSync(join(tmpdir(), 'sluicegate-headers-'))
const ours = authority('ours')
let clear: TestGateway
let secure: TestGateway
beforeAll(async () => {
  const files = pairFiles(directory, ours.issue('gate'))
  const tls = { ...files, clientCert: 'none', minVersion: '1.3', rotationDays: 90 } as const
  const hasty = { principal: 'agent:hasty', limits: { rpm: 1, burst: 1 } }
  const over = { principals: [hasty] }
  clear = await openTestGateway({ over })
  secure = await openTestGateway({ over, listen: { tls }, admin: { tls } })
})
afterAll(async () => {
  await clear.close()
  await secure.close()
  rmSync(directory, { recursive: true, force: true })
})

const isStream = (seen: string) => seen.includes('text/event-stream') && seen.includes('\r\n\r\n')
const answered = (url: string, bytes: string) => exchanged(url, bytes, { ca: ours.cert, enough: isStream })

type Headers = Readonly<Record<string, string>>

function request(line: string, headers: Headers, body = ''): string {
  const own = {
    host: 'localhost',
    connection: 'close',
    ...(body !== '' && { 'content-length': Buffer.byteLength(body) }),
  }
  const lines = Object.entries({ ...own, ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `${[`${line} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n${body}`
}

const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const post = (gateway: TestGateway, body: object, headers: Headers = {}, sub = 'agent:release') =>
  request('POST /mcp', { authorization: `Bearer ${gateway.token({ sub })}`, ...json, ...headers }, JSON.stringify(body))
const week = { from: '2025-09-01', to: '2025-09-01' }
const call = (gateway: TestGateway, tool: string, args: object, sub?: string) => {
  const { body, headers } = modernCall(tool, args)
  return post(gateway, body, headers, sub)
}

type Asked = readonly [status: number, what: string, bytes: (gateway: TestGateway) => string | Promise<string>]

const agents: readonly Asked[] = [
  [200, 'a call', (gateway) => call(gateway, 'orders.export', week)],
  [200, 'a denied call', (gateway) => call(gateway, 'orders.export', {})],
  [200, 'a list', (gateway) => post(gateway, modern('tools/list').body, modern('tools/list').headers)],
  [200, 'a handshake', (gateway) => post(gateway, initialize)],
  [200, 'the stream of a session', streamOf],
  [200, 'the metadata', () => request('GET /.well-known/oauth-protected-resource', {})],
  [200, 'the schema of denials', () => request('GET /schemas/denied.json', {})],
  [
    400,
    'no JSON',
    (gateway) => post(gateway, initialize).replace(/\{.*/, '!'.repeat(JSON.stringify(initialize).length)),
  ],
  [400, 'no message', (gateway) => post(gateway, { jsonrpc: '2.0' })],
  [400, 'no HTTP', () => 'HELLO\r\n\r\n'],
  [400, 'no Host', () => 'GET /mcp HTTP/1.1\r\nconnection: close\r\n\r\n'],
  [401, 'no token', () => request('POST /mcp', json, '{}')],
  [403, 'a foreign Host', () => request('GET /mcp', { host: 'evil.example' })],
  [403, 'a foreign Origin', () => request('GET /mcp', { origin: 'null' })],
  [403, 'a missing scope', scopeless],
  [404, 'an unknown path', () => request('GET /nowhere', {})],
  [404, 'an unknown session', (gateway) => post(gateway, initialize, { 'mcp-session-id': 'none' })],
  [405, 'an unknown method', () => request('PUT /mcp', {})],
  [406, 'an answer nobody could read', (gateway) => post(gateway, initialize, { accept: 'text/plain' })],
  [413, 'a body that is too large', (gateway) => post(gateway, { pad: 'x'.repeat(1024 * 1024) })],
  [415, 'another type', (gateway) => post(gateway, initialize, { 'content-type': 'text/plain' })],
  [417, 'an unknown expectation', () => request('POST /mcp', { expect: 'tea' })],
  [429, 'a limit', hasty],
  [431, 'too many headers', manyHeaders],
  [431, 'headers that are too long', () => request('GET /mcp', { pad: 'x'.repeat(20_000) })],
]

const token = (gateway: TestGateway) => ({ authorization: `Bearer ${gateway.adminToken}` })
const operators: readonly Asked[] = [
  [200, 'health', () => request('GET /healthz', {})],
  [200, 'readiness', () => request('GET /readyz', {})],
  [200, 'metrics', (gateway) => request('GET /metrics', token(gateway))],
  [200, 'the switches', (gateway) => request('GET /api/v1/switches', token(gateway))],
  [400, 'an order that is none', (gateway) => request('POST /api/v1/switches', token(gateway), '{}')],
  [400, 'no HTTP', () => 'HELLO\r\n\r\n'],
  [400, 'no Host', () => 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n'],
  [401, 'no token', () => request('GET /metrics', {})],
  [403, 'a foreign Host', () => request('GET /healthz', { host: 'evil.example' })],
  [403, 'a foreign Origin', () => request('GET /healthz', { origin: 'null' })],
  [404, 'an unknown path', () => request('GET /nowhere', {})],
  [404, 'an unknown switch', (gateway) => request('DELETE /api/v1/switches/x', token(gateway), '{"reason":"x"}')],
  [405, 'an unknown method', () => request('PUT /healthz', {})],
  [413, 'a body that is too large', (gateway) => request('POST /api/v1/switches', token(gateway), 'x'.repeat(100_000))],
  [417, 'an unknown expectation', () => request('GET /healthz', { expect: 'tea' })],
  [431, 'too many headers', manyHeaders],
]

async function streamOf(gateway: TestGateway): Promise<string> {
  const authorization = `Bearer ${gateway.token()}`
  const opened = await answered(
    gateway.mcp,
    request('POST /mcp', { authorization, ...json }, JSON.stringify(initialize)),
  )
  const session = /^mcp-session-id: (\S+)/im.exec(opened)?.[1] ?? ''
  return request('GET /mcp', { authorization, accept: 'text/event-stream', 'mcp-session-id': session })
}

function scopeless(gateway: TestGateway): string {
  const authorization = `Bearer ${gateway.token({ grants: ['web.fetch'] })}`
  const { body, headers } = modernCall('orders.export', week)
  return request('POST /mcp', { authorization, ...json, ...headers }, JSON.stringify(body))
}

async function hasty(gateway: TestGateway): Promise<string> {
  await answered(gateway.mcp, call(gateway, 'orders.export', week, 'agent:hasty'))
  return call(gateway, 'orders.export', week, 'agent:hasty')
}

function manyHeaders(): string {
  return request('GET /healthz', Object.fromEntries(Array.from({ length: 70 }, (_, n) => [`x-${n}`, 'y'])))
}

const expected = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}

function headersIn(text: string): Record<string, string> {
  const [head = ''] = text.split('\r\n\r\n')
  const lines = head.split('\r\n').slice(1)
  return Object.fromEntries(lines.map((line) => [line.split(':', 1)[0]?.toLowerCase(), line.replace(/^[^:]*: ?/, '')]))
}

describe.each([
  ['agents’ listener', agents, (gateway: TestGateway) => gateway.mcp],
  ['operators’ listener', operators, (gateway: TestGateway) => gateway.admin],
] as const)('every answer of the %s', (_listener, asked, urlOf) => {
  it.each(asked)('keeps itself out of caches, guesses and frames: %i to %s', async (status, _what, bytes) => {
    for (const gateway of [clear, secure]) {
      const text = await answered(urlOf(gateway), await bytes(gateway))
      const headers = headersIn(text)
      expect(text.split('\r\n', 1)[0]).toContain(` ${status} `)
      expect(headers).toMatchObject(expected)
      expect(headers['cache-control']).toMatch(/^no-store/)
      expect(headers['strict-transport-security']).toBe(gateway === secure ? 'max-age=31536000' : undefined)
      if (status === 401) expect(headers['www-authenticate']).toMatch(/^Bearer /)
    }
  })
})

describe('the operators’ 401', () => {
  it('says how to come back, and that a token was wrong where one was shown', async () => {
    const challenge = async (headers: Headers) =>
      headersIn(await answered(clear.admin, request('GET /metrics', headers)))['www-authenticate']
    expect(await challenge({})).toBe('Bearer realm="sluicegate admin"')
    expect(await challenge({ authorization: 'Bearer wrong' })).toBe(
      'Bearer realm="sluicegate admin", error="invalid_token"',
    )
  })
})
