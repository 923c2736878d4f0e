import { createPublicKey } from 'node:crypto'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { sqliteState } from '../../src/adapters/state-sqlite.ts'
import { directory } from '../../src/identity/directory.ts'
import { identifier } from '../../src/identity/identify.ts'
import { proofPace } from '../../src/identity/proof-pace.ts'
import { keySet } from '../../src/identity/keyset.ts'
import { replay, type ReplayMode } from '../../src/identity/replay.ts'
import { steadyTime } from '../../src/identity/steady.ts'
import { verifier } from '../../src/identity/token.ts'
import { testAudience, testIssuer } from './tokens.ts'

/*
 * One of several gateways' identities over one state file: proves the tokens its parent sends and tells what became of
 * each. Each process is a sender of its own.
 */

/** What the parent says first, and then again and again. */
export interface Begin {
  readonly file: string
  readonly publicKey: string
  readonly mode: ReplayMode
}
export type Show = readonly string[]

const identities = new Map<'now', ReturnType<typeof identifier>>()

function begin({ file, publicKey, mode }: Begin): void {
  const time = steadyTime(systemClock())
  const state = sqliteState({ file })
  const jwk = { ...createPublicKey(publicKey).export({ format: 'jwk' }), kid: 'key-EdDSA', alg: 'EdDSA' }
  identities.set(
    'now',
    identifier({
      verifier: verifier({
        issuers: [{ issuer: testIssuer, keys: keySet({ keys: [jwk] }, ['EdDSA']) }],
        audience: testAudience,
        clock: systemClock(),
        cacheMax: 1000,
      }),
      replay: replay({ state, time, mode }),
      dpop: { state, time, pace: proofPace(systemClock()) },
      directory: directory([]),
      sessionKey: Buffer.alloc(32, 1),
      homeRegion: () => 'US',
    }),
  )
}

async function show(token: string): Promise<string> {
  const identity = await identities.get('now')?.identify({
    transport: 'http',
    credential: { kind: 'bearer', token },
    mcpSession: `session of ${process.pid}`,
  })
  return identity?.ok ? 'ok' : `${identity?.code}`
}

process.on('message', (message: Begin | Show) => {
  if ('file' in message) begin(message)
  else void Promise.all(message.map(show)).then((ended) => process.send?.(ended))
})
