import { describe, expect, it } from 'vitest'
import { eraOf, messageProblem } from '../../../src/server/message-rules.ts'
import { initialize, legacyCall, modern, modernCall } from '../../support/wire.ts'
import type { Json } from '../../../src/ports/json.ts'

const good = modernCall('flag.set', {}).body as unknown as { readonly params: { readonly _meta: object } }
const answer = { jsonrpc: '2.0', id: 1 }
const enveloped = (more: object) => ({ ...good, params: { ...good.params, _meta: { ...good.params._meta, ...more } } })
const code = (message: unknown, era: 'modern' | 'legacy' = 'modern') => messageProblem(message as Json, era)?.code

describe('a message', () => {
  it('is taken in its own era', () => {
    expect([code(good), code(modern('tools/list').body), code(legacyCall('x', {}), 'legacy')]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect([code(initialize, 'legacy'), code({ jsonrpc: '2.0', id: 1, method: 'tools/list' }, 'legacy')]).toEqual([
      undefined,
      undefined,
    ])
  })

  it.each([
    ['no object', 'text'],
    ['a batch', [good]],
    ['another version', { ...good, jsonrpc: '1.0' }],
    ['no version', { id: 1, method: 'ping' }],
    ['an id that is null', { ...good, id: null }],
    ['an id that is no whole number', { ...good, id: 1.5 }],
    ['an id that is a list', { ...good, id: [1] }],
    ['a method that is no text', { ...good, method: 5 }],
    ['parameters in a list', { ...good, params: [] }],
    ['a request that is a response too', { ...good, result: {} }],
    ['neither request nor response', { jsonrpc: '2.0', id: 1 }],
    ['a result without its type', { jsonrpc: '2.0', id: 1, result: {} }],
    ['a result and an error at once', { ...answer, result: {}, error: { code: 1, message: 'x' } }],
    ['a result without the id of its request', { jsonrpc: '2.0', result: { resultType: 'complete' } }],
    ['a result that is a list', { ...answer, result: [] }],
    ['an error without a code', { jsonrpc: '2.0', id: 1, error: { message: 'x' } }],
  ])('is refused with -32600 for its frame: %s', (_what, message) => expect(code(message)).toBe(-32600))

  it.each([
    ['no envelope', { ...good, params: { name: 'x' } }],
    ['an envelope that is a list', { ...good, params: { ...good.params, _meta: [] } }],
    ['a revision that is no text', enveloped({ 'io.modelcontextprotocol/protocolVersion': 7 })],
    ['capabilities that are a list', enveloped({ 'io.modelcontextprotocol/clientCapabilities': [] })],
    ['a client without a name', enveloped({ 'io.modelcontextprotocol/clientInfo': { version: '1' } })],
    ['a log level nobody knows', enveloped({ 'io.modelcontextprotocol/logLevel': 'loud' })],
    ['a progress token that is an object', enveloped({ progressToken: {} })],
    ['an envelope without a version', { ...good, params: { name: 'x', _meta: {} } }],
    ['a name that is no text', { ...good, params: { ...good.params, name: 5 } }],
    ['arguments that are null', { ...good, params: { ...good.params, arguments: null } }],
    ['a method we do not serve, malformed', { ...good, method: 'resources/read' }],
    ['a notification without what it is about', { jsonrpc: '2.0', method: 'notifications/cancelled', params: {} }],
  ])('is refused with -32602 for its parameters: %s', (_what, message) => expect(code(message)).toBe(-32602))

  it('has tokens and ids in its `_meta` that every reader reads alike, in either era', () => {
    const meta = (method: string, _meta: unknown) => ({ jsonrpc: '2.0', method, params: { _meta } })
    const legacy = { ...meta('tools/list', { progressToken: 1.5 }), id: 1 }
    const told = meta('notifications/other', { 'io.modelcontextprotocol/subscriptionId': {} })
    expect([code(legacy, 'legacy'), code(told), code(told, 'legacy')]).toEqual([-32602, -32602, -32602])
    expect(code(meta('notifications/other', []))).toBe(-32602)
  })

  it('is judged in the era it claims, then in that of its header, and a handshake in the former one', () => {
    const plain = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    const claiming = { ...plain, params: { _meta: { 'io.modelcontextprotocol/protocolVersion': 7 } } }
    expect([eraOf(claiming, undefined), eraOf(plain, '2026-07-28'), eraOf(plain, '2025-11-25')]).toEqual([
      'modern',
      'modern',
      'legacy',
    ])
    expect([eraOf(plain, undefined), eraOf(plain, 'nonsense'), eraOf(initialize, '2026-07-28')]).toEqual([
      'legacy',
      'legacy',
      'legacy',
    ])
  })
})
