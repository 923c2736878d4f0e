import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Files } from './files.ts'

/**
 * The private key of the development issuer, `keys/issuer.pem` in the data directory. Made, readable by its owner only,
 * when it is not there; of several processes that start at once one makes it and all use it. Rejects when it is no
 * Ed25519 key or others may read it.
 */
export async function openIssuerKey(files: Files, dataDirectory: string): Promise<KeyObject> {
  const directory = path.join(dataDirectory, 'keys')
  const file = path.join(directory, 'issuer.pem')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if (!(await files.list(directory)).includes('issuer.pem')) await files.createWhole(file, Buffer.from(freshKey()))
  return read(file)
}

function freshKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

async function read(file: string): Promise<KeyObject> {
  if (process.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0) {
    throw new Error(`${file} can be read by others, so its tokens prove nothing. Delete it, and a new one is made.`)
  }
  const key = parsed(await readFile(file, 'utf8'))
  if (key?.asymmetricKeyType !== 'ed25519') {
    throw new Error(`${file} holds no Ed25519 private key. Delete it, and a new one is made.`)
  }
  return key
}

function parsed(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}
