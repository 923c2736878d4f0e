import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { issuerKeysUrl } from '../../src/adapters/issuer-keys-url.ts'
import { verifier } from '../../src/identity/token.ts'
import { testClock } from '../../test/support/clock.ts'
import { b64, goodHeader } from '../../test/support/tokens.ts'
import { tokenOf, type Forge } from './attacks.ts'

const kids = 10_000

/**
 * 10,000 tokens that name keys nobody has, over two minutes, at an issuer whose keys come from a real server. Gives what got
 * through: a token, or a fetch beyond one in 30 s.
 */
export async function kidFlood(forge: Forge): Promise<readonly string[]> {
  let fetches = 0
  const { alg, kid, publicKey } = forge.own
  const set = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }] })
  const server = createServer((_request, response) => {
    fetches += 1
    response.end(set)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const clock = testClock(Date.now())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  const keys = issuerKeysUrl({ url, algorithms: [alg], clock, fault: () => undefined })
  const { issuer, audience } = forge
  const { verify } = verifier({ issuers: [{ issuer, keys }], audience, clock, cacheMax: 100 })
  const through = (await verify(tokenOf(forge))).ok ? [] : ['an honest token was refused']
  const signature = tokenOf(forge).split('.')[2] as string
  for (let n = 0; n < kids; n += 1) {
    const head = b64({ ...goodHeader(forge.own), kid: `unknown-${n}` })
    if ((await verify(`${head}.${b64({ ...forge.claims(), jti: randomUUID() })}.${signature}`)).ok)
      through.push(`unknown kid ${n}`)
    if (n % (kids / 4) === 0) clock.advance(30_000)
  }
  await keys.close()
  server.close()
  server.closeAllConnections()
  return fetches <= 5 ? through : [...through, `${fetches} fetches in two minutes`]
}
