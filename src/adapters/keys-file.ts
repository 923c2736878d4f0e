import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import type { TrustedKey } from '../control/signed.ts'
import { publicKeyOf } from '../evidence/signature.ts'
import { parseTrust, TrustFile } from '../evidence/trust.ts'
import type { Clock } from '../ports/clock.ts'
import { nodeFiles } from './files.ts'
import { readSecret, secretFile, writeDraft } from './secret-file.ts'
import { localSigner } from './signer-local.ts'
import type { LocalSigner } from './signer-local.ts'

/** A key for digests of one tenant's data in one month. Whoever destroys the month's key unlinks its digests for good. */
interface DigestKey {
  /** What records call it: `<month>/<tenant>`, e.g. `2026-11/acme`. */
  readonly id: string
  readonly key: Uint8Array
}

/** The keys of a development deployment. Production keeps its own elsewhere and gives references. */
export interface Keys {
  /** Signs delegations and operators' orders. */
  readonly deployment: LocalSigner
  /** Signs the detector's orders. */
  readonly detector: LocalSigner
  /** What session keys are made with, 32 bytes. */
  readonly sessionKey: Uint8Array
  /** For digests that are compared over months, 32 bytes. */
  readonly historyKey: Uint8Array
  /** Bearer token of the admin listener, as it was at the start, and the file where a new one is put. */
  readonly adminToken: string
  readonly adminTokenFile: string
  /**
   * The key for digests of a tenant's data in the month of `tsMs`. Makes the month's key file when that month is now;
   * refuses for another month without one: its key was destroyed, or never was here.
   */
  readonly digestKey: (tenant: string, tsMs: number) => DigestKey
  /** What `trust.json` holds: every public key a verifier of this data directory needs. */
  readonly trust: TrustFile
  /** Deployment keys by their id, 32 raw bytes each: who may vouch for the keys of a stream. */
  readonly trusted: ReadonlyMap<string, Uint8Array>
  /** Whose commands count. */
  readonly commandKeys: readonly TrustedKey[]
}

/** How far a record's time may lie from the clock and still get a new month's key. */
const monthSlackMs = 2 * 86_400_000

/** Month keys held in memory. */
const monthsMax = 24

/** Keys of one tenant and month held in memory. */
const derivedMax = 10_000

/**
 * Opens the directory of keys, and `trust.json` beside it, and makes what is missing, private files readable by their
 * owner only. Refuses a private file that others may read, a file that holds no key, and a `trust.json` of another deployment.
 */
export async function openKeys(directory: string, clock: Clock, deployment?: string): Promise<Keys> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const signers = {
    deployment: signerFrom(directory, 'deployment.pem'),
    detector: signerFrom(directory, 'detector.pem'),
  }
  const adminTokenFile = path.join(directory, 'admin.token')
  const opened = {
    ...signers,
    sessionKey: bytesFrom(path.join(directory, 'session.key')),
    historyKey: bytesFrom(path.join(directory, 'history.key')),
    adminToken: secretFile(adminTokenFile, () => `${randomBytes(32).toString('base64url')}\n`).trim(),
    adminTokenFile,
    digestKey: monthKeys(directory, clock),
  }
  const trust = trustOf(path.join(path.dirname(directory), 'trust.json'), signers, deployment)
  // Makes this month's key now: a directory that cannot be written is better found at start than by a call.
  opened.digestKey('', clock.nowMs())
  await nodeFiles().syncDirectory(directory)
  await nodeFiles().syncDirectory(path.dirname(directory))
  return { ...opened, trust, trusted: deploymentKeys(trust), commandKeys: commandKeys(trust) }
}

function signerFrom(keys: string, name: string): LocalSigner {
  const file = path.join(keys, name)
  const pem = secretFile(
    file,
    () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  )
  try {
    return localSigner(pem)
  } catch (cause) {
    throw new Error(`${file} holds no Ed25519 private key (PKCS#8, PEM); restore it, or remove it to have one made.`, {
      cause,
    })
  }
}

function bytesFrom(file: string): Buffer {
  return parsedHex(
    file,
    secretFile(file, () => `${randomBytes(32).toString('hex')}\n`),
  )
}

function parsedHex(file: string, text: string): Buffer {
  if (!/^[0-9a-f]{64}\n?$/.test(text))
    throw new Error(`${file} does not hold 64 hex digits; restore it, or remove it to have a new key made.`)
  return Buffer.from(text.trim(), 'hex')
}

function monthKeys(keys: string, clock: Clock): Keys['digestKey'] {
  const months = new Map<string, Buffer>()
  const derived = new Map<string, DigestKey>()

  const keyOf = (month: string, tsMs: number): Buffer => {
    const file = path.join(keys, `digest-${month}.key`)
    if (Math.abs(tsMs - clock.nowMs()) <= monthSlackMs) return bytesFrom(file)
    const text = readSecret(file)
    if (text === undefined) throw new Error(`${file} is not there: digests of that month cannot be compared any more.`)
    return parsedHex(file, text)
  }

  return (tenant, tsMs) => {
    const month = new Date(tsMs).toISOString().slice(0, 7)
    const id = `${month}/${tenant}`
    const known = derived.get(id)
    if (known) return known
    const key = months.get(month) ?? keyOf(month, tsMs)
    if (months.size >= monthsMax) months.clear()
    months.set(month, key)
    const made = { id, key: createHmac('sha256', key).update(`digest\n${tenant}`).digest() }
    if (derived.size >= derivedMax) derived.clear()
    derived.set(id, made)
    return made
  }
}

/** The trust file, with these signers in it. Keys that are already there stay: older streams were opened under them. */
function trustOf(
  file: string,
  signers: Pick<Keys, 'deployment' | 'detector'>,
  deployment: string | undefined,
): TrustFile {
  const found = existsSync(file)
    ? readTrust(file)
    : { v: 1 as const, deployment: deployment ?? 'development', keys: [] }
  if (deployment !== undefined && found.deployment !== deployment)
    throw new Error(
      `${file} belongs to deployment "${found.deployment}", not "${deployment}"; choose another data directory.`,
    )
  const missing = (['deployment', 'detector'] as const)
    .filter((use) => found.keys.every((key) => key.kid !== signers[use].kid || key.use !== use))
    .map((use) => ({ use, alg: 'ed25519' as const, kid: signers[use].kid, pub: base64Of(signers[use]) }))
  const trust: TrustFile = { ...found, keys: [...found.keys, ...missing] }
  if (missing.length > 0) renameSync(writeDraft(file, `${JSON.stringify(trust, null, 2)}\n`, 0o644), file)
  return trust
}

function readTrust(file: string): TrustFile {
  const text = readFileSync(file, 'utf8')
  try {
    parseTrust(text)
    return TrustFile.parse(JSON.parse(text))
  } catch (cause) {
    throw new Error(`${file}: ${(cause as Error).message} Restore it, or remove it to have it made from the keys.`, {
      cause,
    })
  }
}

function base64Of({ publicKey }: LocalSigner): string {
  return Buffer.from(publicKey).toString('base64')
}

function deploymentKeys({ keys }: TrustFile): ReadonlyMap<string, Uint8Array> {
  return new Map(
    keys.filter(({ use }) => use === 'deployment').map(({ kid, pub }) => [kid, Buffer.from(pub, 'base64')]),
  )
}

function commandKeys({ keys }: TrustFile): readonly TrustedKey[] {
  return keys.map(({ kid, pub, use }) => ({ kid, use, publicKey: publicKeyOf(Buffer.from(pub, 'base64')) }))
}
