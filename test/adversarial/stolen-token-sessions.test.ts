import { afterEach, describe, expect, it } from 'vitest'
import { listenHttp, type HttpListener } from '../../src/server/http.ts'
import type { GatewayService } from '../../src/server/mcp.ts'
import { idleMsMax } from '../../src/server/sessions.ts'
import { Proof } from '../../src/identity/proof.ts'
import type { ProvenToken } from '../../src/identity/token.ts'
import { aProof, refusedCall, someone } from '../support/calls.ts'
import { testClock } from '../support/clock.ts'
import { initialize, rpc } from '../support/wire.ts'

/* Somebody holds a copy of a token that belongs to its owner's session. It proves the owner, and is refused all the same. */

const perPrincipal = 64
/** Attempts with one owner's token that are written down at once; see `anonymous.ts`. */
const recordedMax = 60
const copied = new Proof({ token: {} as ProvenToken, binding: {} })

/** Everybody is the same principal; what the thief shows is proven, and never taken. */
const service: GatewayService = {
  prove: async ({ credential }) => {
    const stolen = credential.kind === 'bearer' && credential.token === 'stolen'
    return { ok: true, who: someone, proof: stolen ? copied : aProof }
  },
  identify: async ({ credential }) =>
    credential.kind === 'proven' && credential.proof === copied
      ? { ok: false, code: 'token_replayed', why: 'jti: The token was first shown by another session.', who: someone }
      : { ok: true, who: someone, proof: aProof },
  stopped: () => undefined,
  call: refusedCall,
  tools: () => [],
  unrecorded: () => undefined,
}

const listeners: HttpListener[] = []
afterEach(async () => void (await Promise.all(listeners.splice(0).map((listener) => listener.close()))))

async function listening() {
  const clock = testClock()
  const where = { host: '127.0.0.1', port: 0, authorizationServers: [], scopes: [] }
  const listener = await listenHttp({ ...where, service, clock, fault: () => undefined })
  listeners.push(listener)
  return { clock, url: listener.url }
}

const open = async (url: string, token: string) => {
  const { status, headers } = await rpc(url, token, initialize)
  return { status, id: headers['mcp-session-id'] }
}

describe('a stolen token that is refused', () => {
  it('opens no session, and takes the place of none, however idle its owner’s are', async () => {
    const { clock, url } = await listening()
    const ids: string[] = []
    for (let n = 0; n < perPrincipal; n += 1) ids.push(String((await open(url, 'own')).id))
    clock.advance(idleMsMax)
    for (let n = 0; n < perPrincipal; n += 1) {
      expect(await open(url, 'stolen')).toEqual({ status: n < recordedMax ? 401 : 429, id: undefined })
    }
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
    const still = async (id: string) => (await rpc(url, 'own', ping, { 'mcp-session-id': id })).status
    expect(new Set(await Promise.all(ids.map(still)))).toEqual(new Set([200]))
  })

  it('does not keep a session from being idle', async () => {
    const { clock, url } = await listening()
    const ids: string[] = []
    for (let n = 0; n < perPrincipal; n += 1) ids.push(String((await open(url, 'own')).id))
    clock.advance(idleMsMax)
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
    for (const id of ids) expect((await rpc(url, 'stolen', ping, { 'mcp-session-id': id })).status).not.toBe(200)
    expect((await open(url, 'own')).status).toBe(200)
  })
})
