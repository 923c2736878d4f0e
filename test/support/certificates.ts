import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate with its key, both PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** What a certificate says, where it is not what most say. */
export interface Asked {
  /** Days from now; may be negative. */
  readonly fromDays?: number
  readonly toDays?: number
  /** Extended key usage; both unless given. */
  readonly use?: readonly ('server' | 'client')[]
  readonly key?: KeyPair
}

/** Issues certificates for tests. Nothing but node:crypto is needed. */
export interface Authority {
  readonly cert: string
  /** A certificate of 127.0.0.1 and localhost. */
  issue(name: string, asked?: Asked): Pair
  /** An authority below this one. */
  below(name: string, asked?: Asked): Authority
}

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export const ecKeys = (namedCurve = 'P-256'): KeyPair => generateKeyPairSync('ec', { namedCurve })
export const rsaKeys = (modulusLength = 2048): KeyPair => generateKeyPairSync('rsa', { modulusLength })
export const edKeys = (): KeyPair => generateKeyPairSync('ed25519')

/** An authority of its own: nobody vouches for it. */
export function authority(name: string, asked: Asked = {}): Authority {
  const keys = asked.key ?? ecKeys()
  return authorityWith(name, keys, certificate({ name, issuer: name, keys, signer: keys, isCa: true, ...asked }))
}

function authorityWith(name: string, signer: KeyPair, cert: string): Authority {
  return {
    cert,
    issue(subject, { key: keys = ecKeys(), ...asked } = {}) {
      const made = certificate({ name: subject, issuer: name, keys, signer, isCa: false, ...asked })
      return { cert: made, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
    },
    below(subject, { key: keys = ecKeys(), ...asked } = {}) {
      const made = certificate({ name: subject, issuer: name, keys, signer, isCa: true, ...asked })
      return authorityWith(subject, keys, made)
    },
  }
}

/** Writes a pair as two files, the key for its owner alone, and gives their paths. */
export function pairFiles(directory: string, { cert, key }: Pair, name = 'gate'): { cert: string; key: string } {
  const files = { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key, { mode: 0o600 })
  return files
}

interface Facts extends Asked {
  readonly name: string
  readonly issuer: string
  readonly keys: KeyPair
  readonly signer: KeyPair
  readonly isCa: boolean
}

/** X.509 version 3, RFC 5280, as PEM. */
function certificate({ name, issuer, keys, signer, isCa, fromDays = -1, toDays = 30, use }: Facts): string {
  const algorithm = algorithmOf(signer.privateKey)
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(12)])),
    algorithm,
    distinguished(issuer),
    sequence(time(fromDays), time(toDays)),
    distinguished(name),
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...(isCa ? authorityExtensions() : leafExtensions(use ?? ['server', 'client'])))),
  )
  const der = sequence(body, algorithm, bits(signed(body, signer.privateKey)))
  const lines = der.toString('base64').match(/.{1,64}/g) as string[]
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function signed(body: Buffer, key: KeyObject): Buffer {
  return sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', body, key)
}

function algorithmOf({ asymmetricKeyType }: KeyObject): Buffer {
  if (asymmetricKeyType === 'rsa') return sequence(oid('1.2.840.113549.1.1.11'), Buffer.from([0x05, 0x00]))
  return sequence(oid(asymmetricKeyType === 'ec' ? '1.2.840.10045.4.3.2' : '1.3.101.112'))
}

function authorityExtensions(): readonly Buffer[] {
  return [
    extension('2.5.29.19', sequence(Buffer.from([0x01, 0x01, 0xff])), true),
    extension('2.5.29.15', Buffer.from([0x03, 0x02, 0x01, 0x06]), true),
  ]
}

const usages = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const

function leafExtensions(use: readonly (keyof typeof usages)[]): readonly Buffer[] {
  const names = [tagged(0x82, Buffer.from('localhost')), tagged(0x87, Buffer.from([127, 0, 0, 1]))]
  return [
    extension('2.5.29.15', Buffer.from([0x03, 0x02, 0x07, 0x80]), true),
    extension('2.5.29.37', sequence(...use.map((one) => oid(usages[one])))),
    extension('2.5.29.17', sequence(...names)),
  ]
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [Buffer.from([0x01, 0x01, 0xff])] : []), tagged(0x04, value))
}

function distinguished(name: string): Buffer {
  return sequence(tagged(0x31, sequence(oid('2.5.4.3'), tagged(0x0c, Buffer.from(name)))))
}

function time(days: number): Buffer {
  const at = new Date(Date.now() + days * 86_400_000)
  return tagged(0x18, Buffer.from(`${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): readonly number[] {
  const high = Math.floor(value / 128)
  return [...(high > 0 ? base128(high).map((byte) => byte | 0x80) : []), value % 128]
}

const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes)
const bits = (bytes: Buffer): Buffer => tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]))
const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, Buffer.concat(parts))

function tagged(tag: number, content: Buffer): Buffer {
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
