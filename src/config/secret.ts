import { readFile } from 'node:fs/promises'
import type { SecretRef } from './fields.ts'

/** The secret a reference points to, without its final newline. Rejects, without repeating any part of it, when there is none. */
export async function readSecret(
  ref: SecretRef,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const secret = ref.from === 'env' ? environment[ref.name] : await contentOf(ref.path)
  if (secret !== undefined && secret !== '') return secret
  const where = ref.from === 'env' ? `The environment variable ${ref.name}` : ref.path
  throw new Error(`${where} holds no secret; put one there, or correct the reference.`)
}

async function contentOf(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    throw new Error(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`, {
      cause: error,
    })
  }
}
