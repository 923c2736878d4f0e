import type { KeyObject } from 'node:crypto'
import { canonicalize } from '../evidence/canonical.ts'
import { formatRecordLine, pae, parseLine } from '../evidence/chain.ts'
import { signatureHolds } from '../evidence/signature.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Signer } from '../ports/signer.ts'
import { Command, type SwitchKind } from './command.ts'

/** What a command's signature says it signs (DSSE payload type). */
export const commandType = 'application/vnd.sluicegate.command.v1+json'

/** A key whose orders count. */
export interface TrustedKey {
  readonly kid: string
  readonly publicKey: KeyObject
  /** The deployment key signs for operators, who may order everything; a detector's key only what `kinds` lists. */
  readonly use: 'deployment' | 'detector'
  /** Kinds a detector's key may engage; `detectorKinds` when absent. It may never release. */
  readonly kinds?: readonly SwitchKind[]
}

/** What a detector may do unless configuration says less: everything but to stop a whole tenant. */
const detectorKinds: readonly SwitchKind[] = [
  'session',
  'tool',
  'egress',
  'limits',
  'consumer',
  'token',
  'grant',
  'read-only',
  'approval',
  'catalog',
]

/** Longest a detector's order may last: a person looks within a day. */
export const detectorTtlMaxMs = 24 * 3_600_000

/** Signs a command and gives its line, LF included: `<RFC 8785 bytes> TAB <base64 signature> LF`. */
export async function commandLine(command: Command, signer: Signer): Promise<string> {
  const text = canonicalize(command as unknown as JsonObject)
  return formatRecordLine(text, await signer.sign(pae(commandType, Buffer.from(text))))
}

export type CommandCheck =
  | { readonly kind: 'ok'; readonly command: Command; readonly signedBy: string }
  | { readonly kind: 'bad'; readonly why: string }

/** Reads one line, LF removed. Refuses what is not canonical, not signed by a trusted key, or beyond that key's rights. */
export function readCommandLine(line: Uint8Array, trusted: readonly TrustedKey[]): CommandCheck {
  const parsed = parseLine(line)
  if (parsed.kind !== 'record') return bad('it is not a signed line')
  const command = Command.safeParse(json(parsed.text))
  if (!command.success) return bad('it is not a command this version knows')
  if (canonicalize(command.data as unknown as JsonObject) !== parsed.text) return bad('its bytes are not canonical')
  const signedBytes = pae(commandType, parsed.bytes)
  const key = trusted.find(({ publicKey }) => signatureHolds(publicKey, signedBytes, parsed.signature))
  if (key === undefined) return bad('no trusted key signed it')
  const beyond = beyondRights(command.data, key)
  return beyond === undefined ? { kind: 'ok', command: command.data, signedBy: key.kid } : bad(beyond)
}

/** Why a key may not give this order, or undefined when it may. */
export function beyondRights(command: Command, key: Pick<TrustedKey, 'use' | 'kinds'>): string | undefined {
  if (key.use === 'deployment')
    return command.issuedBy.kind === 'operator' ? undefined : 'an operator’s key signed a detector’s order'
  if (command.issuedBy.kind !== 'detector') return 'a detector’s key signed an operator’s order'
  if (command.action === 'release') return 'a detector releases nothing'
  if (!(key.kinds ?? detectorKinds).includes(command.kind)) return `a detector may not engage a ${command.kind} switch`
  if (command.target === 'all') return 'a detector may not stop everyone'
  return command.ttlMs > detectorTtlMaxMs ? 'a detector’s order may last a day at most' : undefined
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const bad = (why: string): CommandCheck => ({ kind: 'bad', why })
