import type { KeyObject } from 'node:crypto'
import type { JsonObject } from '../ports/json.ts'
import { canonicalize } from './canonical.ts'
import { Delegation, delegationType } from './delegation.ts'
import { openEnvelope } from './envelope.ts'
import { Genesis } from './genesis.ts'
import { demand, Flaw } from './problem.ts'
import type { EvidenceRecord } from './record.ts'
import type { Trust } from './trust.ts'
import { namedKey } from './trust.ts'

type Purpose = Delegation['purpose']

/** A key that may sign one stream, for one purpose and a while. */
export interface KeyInForce extends Delegation {
  readonly raw: Buffer
  readonly publicKey: KeyObject
}

/** How a stream is signed, as its genesis says. */
export interface StreamKeys {
  readonly genesis: Genesis
  readonly record?: KeyInForce
  readonly checkpoint?: KeyInForce
  /** A trusted deployment key delegated all of them. */
  readonly trusted: boolean
}

/** Takes the keys from a genesis. Throws a `Flaw` when they cannot be this stream's. */
export function keysOf(record: EvidenceRecord, trust: Trust | undefined): StreamKeys {
  const read = Genesis.safeParse(record.ext)
  demand(read.success, 'BAD_DELEGATION', 'The genesis does not say how the stream is signed.')
  const genesis = read.data
  demand(
    trust === undefined || trust.deployment === genesis.deployment,
    'WRONG_ORIGIN',
    `The stream was made by ${genesis.deployment}.`,
  )
  const keys: Partial<Record<Purpose, KeyInForce>> = {}
  let trusted = true
  for (const envelope of genesis.delegations) {
    const opened = openEnvelope(envelope, delegationType, trust, 'BAD_DELEGATION')
    const statement = readStatement(opened.payload, record.stream)
    keys[statement.purpose] = { ...statement, ...namedKey(statement.kid, statement.pub) }
    trusted &&= opened.trusted
  }
  return { genesis, ...keys, trusted }
}

/** The key for a purpose at a time. Throws a `Flaw` when there is none, or not then. */
export function keyAt(keys: StreamKeys, purpose: Purpose, tsMs: number): KeyInForce {
  const key = keys[purpose]
  demand(key !== undefined, 'WRONG_KEY_PURPOSE', `No key was delegated for a ${purpose}.`)
  demand(tsMs >= key.notBefore, 'KEY_NOT_YET_VALID', `The ${purpose} key was not valid yet.`)
  demand(tsMs <= key.notAfter, 'KEY_EXPIRED', `The ${purpose} key had expired.`)
  return key
}

function readStatement(payload: Buffer, stream: string): Delegation {
  const value = parsed(payload)
  const { purpose } = value as { readonly purpose?: unknown }
  demand(purpose === 'record' || purpose === 'checkpoint', 'WRONG_KEY_PURPOSE', 'A delegation has no known purpose.')
  const read = Delegation.safeParse(value)
  const canonical = read.success && canonicalize(value as JsonObject) === payload.toString()
  demand(
    canonical && read.data.stream === stream,
    'BAD_DELEGATION',
    'A delegation is malformed, or for another stream.',
  )
  return read.data
}

function parsed(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString()) ?? {}
  } catch {
    throw new Flaw('BAD_DELEGATION', 'A delegation is not JSON.')
  }
}
