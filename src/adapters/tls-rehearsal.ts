import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { connect, createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls'

/** Longest time a rehearsal may take, milliseconds. */
const rehearsalMs = 2_000

/**
 * Shakes hands with itself, in memory, under the settings a listener or client is about to use. Resolves with what went
 * wrong, if anything did: what no single file shows, such as a key that no version of TLS that is allowed can sign with.
 */
export async function rehearse(context: SecureContextOptions): Promise<string | undefined> {
  const [near, far] = duplexPair()
  try {
    const secureContext = createSecureContext(context)
    if (context.cert === undefined) return undefined
    const server = new TLSSocket(near, { isServer: true, secureContext })
    // Nobody is trusted here, nothing is said: the question is whether the two can agree at all.
    const client = connect({ socket: far, rejectUnauthorized: false, minVersion: context.minVersion ?? 'TLSv1.3' })
    server.on('error', () => client.destroy())
    const signal = AbortSignal.timeout(rehearsalMs)
    await once(client, 'secureConnect', { signal })
    client.destroy()
    server.destroy()
    return undefined
  } catch (error) {
    return `No TLS connection can be made with it (${(error as { code?: string }).code ?? 'failed'}).`
  } finally {
    near.destroy()
    far.destroy()
  }
}
