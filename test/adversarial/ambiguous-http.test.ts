import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listenHttp, type HttpListener } from '../../src/server/http.ts'
import type { GatewayService } from '../../src/server/mcp.ts'
import { aProof, refusedCall, someone } from '../support/calls.ts'
import { testClock } from '../support/clock.ts'
import { exchanged } from '../support/raw.ts'
import { initialize, rpc } from '../support/wire.ts'

/* Bytes that two servers could read as different requests, sent by hand. Each would open a session if it were taken. */

/** One token is good, without any proof. */
const prove: GatewayService['prove'] = async ({ credential }) =>
  credential.kind === 'bearer' && credential.token === 'good' && !credential.dpop
    ? { ok: true, who: someone, proof: aProof }
    : { ok: false, code: 'unauthenticated', why: 'no' }

const service: GatewayService = {
  prove,
  identify: async () => ({ ok: true, who: someone, proof: aProof }),
  stopped: () => undefined,
  call: (call) => refusedCall({ ...call, credential: { kind: 'none', refused } }),
  tools: () => [],
}
const refused = { ok: false, code: 'unauthenticated', why: 'no' } as const

let listener: HttpListener
beforeAll(async () => {
  const where = { host: '127.0.0.1', port: 0, authorizationServers: [], scopes: [] }
  // Time stands still: no session becomes idle, and none makes room.
  listener = await listenHttp({ ...where, service, clock: testClock(), fault: () => undefined })
})
afterAll(() => listener.close())

const answered = (text: string, onContinue?: string) =>
  exchanged(listener.url, text, { ...(onContinue !== undefined && { onContinue }) })

const body = JSON.stringify(initialize)
const length = Buffer.byteLength(body)
const chunk = `${length.toString(16)}\r\n${body}\r\n`
const last = '0\r\n\r\n'
const chunked = 'Transfer-Encoding: chunked'

/** A handshake with these headers in place of its own of the same name, and this body. */
function handshake(lines: readonly string[] = [], sent = body, version = '1.1'): string {
  const given = new Set(lines.map((line) => line.split(':', 1)[0]?.trim().toLowerCase()))
  const own = [
    'Host: localhost',
    'Connection: close',
    'Authorization: Bearer good',
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    ...(given.has('transfer-encoding') ? [] : [`Content-Length: ${Buffer.byteLength(sent)}`]),
  ].filter((line) => !given.has(line.split(':', 1)[0]?.toLowerCase()))
  return `POST /mcp HTTP/${version}\r\n${[...own, ...lines].join('\r\n')}\r\n\r\n${sent}`
}

const bearer = 'Bearer good'
const smuggled = () => handshake()

const ambiguous: readonly (readonly [string, () => string])[] = [
  ['two kinds of length', () => handshake([`Content-Length: ${length}`, chunked], chunk + last)],
  ['two kinds of length, the other way round', () => handshake([chunked, `Content-Length: ${length}`], chunk + last)],
  ['a request in the body of another, by length', () => handshake(['Content-Length: 4', chunked], last + smuggled())],
  ['two codings', () => handshake([chunked, chunked], chunk + last)],
  ['an unknown coding', () => handshake(['Transfer-Encoding: xchunked'], chunk + last)],
  ['a coding nobody undoes', () => handshake(['Transfer-Encoding: gzip, chunked'], chunk + last)],
  ['no coding by name', () => handshake(['Transfer-Encoding: identity'], chunk + last)],
  ['a coding in a version that had none', () => handshake([chunked], chunk + last, '1.0')],
  ['a coding with a space before its colon', () => handshake(['Transfer-Encoding : chunked'], chunk + last)],
  ['two lengths that differ', () => handshake([`Content-Length: ${length}`, 'Content-Length: 1'])],
  ['two lengths that agree', () => handshake([`Content-Length: ${length}`, `Content-Length: ${length}`])],
  ['a list of lengths', () => handshake([`Content-Length: ${length}, ${length}`])],
  ['a length with a sign', () => handshake([`Content-Length: +${length}`])],
  ['a length in hexadecimal', () => handshake([`Content-Length: 0x${length.toString(16)}`])],
  ['a length less than nothing', () => handshake(['Content-Length: -1'])],
  ['a length beyond any number', () => handshake(['Content-Length: 99999999999999999999'])],
  ['a chunk with a sign', () => handshake([chunked], `+${chunk}${last}`)],
  ['a chunk in 0x', () => handshake([chunked], `0x${chunk}${last}`)],
  ['a chunk beyond any number', () => handshake([chunked], `FFFFFFFFFFFFFFFFF${chunk}${last}`)],
  ['a chunk with half a line end', () => handshake([chunked], `${chunk.replace('\r\n', '\n')}${last}`)],
  ['an extension of a chunk without end', () => handshake([chunked], `1;${'a'.repeat(32_768)}\r\n{\r\n${last}`)],
  ['a folded header', () => handshake(['X-Folded: a\r\n b'])],
  ['a folded token', () => handshake(['Authorization: Bearer\r\n good'])],
  ['a header with a space before its colon', () => handshake(['X-Spaced : a'])],
  ['a header before which there is a space', () => handshake([' X-Spaced: a'])],
  ['lines that end in half', () => handshake().replaceAll('\r\n', '\n')],
  ['a bare carriage return', () => handshake(['X-Bare: a\rAuthorization: b'])],
  ['a zero byte', () => handshake(['X-Zero: a\0b'])],
  ['two Hosts', () => handshake(['Host: localhost', 'Host: localhost'])],
  ['two Hosts, one of them somebody else’s', () => handshake(['Host: localhost', 'Host: evil.example'])],
  ['no Host', () => handshake().replace('Host: localhost\r\n', '')],
  ['two tokens', () => handshake([`Authorization: ${bearer}`, `Authorization: ${bearer}`])],
  ['two tokens in one header', () => handshake([`Authorization: ${bearer}, ${bearer}`])],
  ['a token and a password', () => handshake([`Authorization: ${bearer}`, 'Authorization: Basic YTpi'])],
  [
    'a token after the body',
    () => handshake(['Authorization: none', chunked], `${chunk}0\r\nAuthorization: ${bearer}\r\n\r\n`),
  ],
  ['a token and a proof that is not for it', () => handshake(['DPoP: a.b.c'])],
  ['two proofs', () => handshake(['Authorization: DPoP good', 'DPoP: a.b.c', 'DPoP: a.b.c'])],
  ['an expectation nobody meets', () => handshake(['Expect: 200-ok'])],
  ['a version nobody speaks', () => handshake([], body, '1.2')],
  ['more headers than are looked at', () => handshake(Array.from({ length: 60 }, (_, n) => `X-${n}: y`))],
  ['more headers than are parsed', () => handshake(Array.from({ length: 300 }, (_, n) => `X-${n}: y`))],
]

const statusOf = (text: string) => Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(text)?.[1])

describe('a request that can be read in two ways', () => {
  it('starts from one that opens a session, in one piece or in chunks', async () => {
    for (const text of [handshake(), handshake([chunked], chunk + last)]) {
      const seen = await answered(text)
      expect([statusOf(seen), /^mcp-session-id: /im.test(seen)]).toEqual([200, true])
    }
  })

  it.each(ambiguous)('is refused, once, and opens nothing: %s', async (_what, text) => {
    const seen = await answered(text())
    expect(statusOf(seen)).toBeGreaterThanOrEqual(400)
    expect(statusOf(seen)).toBeLessThan(500)
    expect(seen.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    expect(seen).not.toMatch(/mcp-session-id/i)
  })

  it('means nothing by an extension of a chunk', async () => {
    const seen = await answered(handshake([chunked], `${chunk.replace('\r\n', ';a="b"\r\n')}${last}`))
    expect(statusOf(seen)).toBe(200)
  })

  it('left no session behind: there are places for all but those that were opened', async () => {
    const statuses: number[] = []
    for (let n = 0; n < 62; n += 1) statuses.push((await rpc(listener.url, 'good', initialize)).status)
    expect(statuses).toEqual([...Array<number>(61).fill(200), 429])
  })
})

describe('a client that asks before it sends its body', () => {
  const asking = (lines: readonly string[]) =>
    handshake([...lines, 'Expect: 100-continue', `Content-Length: ${length}`], '')

  it('is told to go on once its token is good', async () => {
    const seen = await answered(asking([]), body)
    // There is no place left, and whoever says so has read what was asked.
    expect(seen.split('\r\n').filter((line) => line.startsWith('HTTP/'))).toEqual([
      'HTTP/1.1 100 Continue',
      'HTTP/1.1 429 Too Many Requests',
    ])
  })

  it.each([
    ['no token', 'Authorization: none'],
    ['a foreign Host', 'Host: evil.example'],
    ['a foreign Origin', 'Origin: null'],
    ['another type', 'Content-Type: text/plain'],
  ])('is never told to when it is refused, and its connection ends: %s', async (_what, line) => {
    const seen = await answered(asking([line]))
    expect(seen).not.toContain('100 Continue')
    expect([401, 403, 415]).toContain(statusOf(seen))
  })
})
