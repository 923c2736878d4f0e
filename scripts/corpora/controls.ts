import { sign } from 'node:crypto'
import { mint, signed } from '../../test/support/tokens.ts'
import { modern } from '../../test/support/wire.ts'
import type { Edges } from './edge.ts'
import { tryEgress, type EgressRow } from './egress.ts'
import { tryBytes, type BytesRow } from './json-bytes.ts'
import { tryMessages, type MessageRow } from './messages.ts'
import { tryTokens, type TokenRow } from './tokens.ts'

/*
 * Rows of our own whose labels are wrong. A way of counting that does not find them would find nothing in the real rows
 * either: a dead gateway refuses everything, and a deaf recorder hears no socket.
 */

const url = 'http://www.example.com/'
const egressRows: readonly EgressRow[] = [
  { id: 'public', url, host: 'www.example.com', dns: { A: ['8.8.4.4'] }, expect: 'block' },
  { id: 'private', url: 'http://10.0.0.1/', host: '10.0.0.1', expect: 'allow' },
]

/** What the SSRF count misses of the rows whose labels are wrong. */
export async function egressBlindness(): Promise<readonly string[]> {
  const { leaks, missed } = await tryEgress(egressRows)
  const ways = ['direct', ...[301, 302, 303, 307, 308].map((status) => `behind ${status}`)]
  return [
    ...ways.map((way) => `public (${way})`).filter((leak) => !leaks.includes(leak)),
    ...(missed.includes('private') ? [] : ['private']),
  ].map((row) => `a socket: ${row}`)
}

/** What the token count misses. */
export async function tokenBlindness(): Promise<readonly string[]> {
  const own = mint('ES256')
  const jwk = { ...own.publicKey.export({ format: 'jwk' }), kid: own.kid, alg: own.alg }
  const good = signed(own, { alg: own.alg, kid: own.kid }, '{}')
  const text = good.slice(0, good.lastIndexOf('.'))
  const other = sign('sha256', Buffer.from(text), { key: mint('ES256').privateKey, dsaEncoding: 'ieee-p1363' })
  const rows: readonly TokenRow[] = [
    { id: 'good', jwk, jws: good, gateway: 'reject: control' },
    { id: 'forged', jwk, jws: `${text}.${other.toString('base64url')}`, gateway: 'signature ok: control' },
  ]
  const { accepted, refused } = await tryTokens(rows)
  const found = accepted.includes('good') && refused.includes('forged')
  return found ? [] : ['a token']
}

const bytesRows: readonly BytesRow[] = [
  { id: 'json', b64: Buffer.from('{"a":1}').toString('base64'), gateway: 'reject: control' },
  { id: 'no json', b64: Buffer.from('{"a":}').toString('base64'), gateway: 'parse: control' },
]
const messageRows: readonly MessageRow[] = [
  { id: 'good', def: 'ListToolsRequest', value: modern('tools/list').body, expect: 'reject' },
  { id: 'bad', def: 'ListToolsRequest', value: { jsonrpc: '1.0' }, expect: 'accept' },
]

/** What the counts of JSON and of messages miss, at each door. */
export async function edgeBlindness(edges: Edges): Promise<readonly string[]> {
  const bytes = await tryBytes(edges, bytesRows)
  const messages = await tryMessages(edges, messageRows)
  return edges.doors.flatMap(({ name }) => {
    const json = bytes.accepted.includes(`json (${name})`) && bytes.overStrict.includes(`no json (${name})`)
    const mcp = messages.accepted.includes(`good (${name})`) && messages.refused.includes(`bad (${name})`)
    return [...(json ? [] : [`a text (${name})`]), ...(mcp ? [] : [`a message (${name})`])]
  })
}
