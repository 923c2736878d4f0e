import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { PlacedDocument, Problem } from '../policy/document.ts'

/** A file by its name in messages, and its text. */
export interface Source {
  readonly file: string
  readonly text: string
}

export type Path = readonly (string | number)[]
export type At = (where: Path, message: string) => Problem

/** The file, or a sentence that says why it cannot be read. */
export function readSource(file: string): Source | string {
  try {
    return { file, text: readFileSync(file, 'utf8') }
  } catch (error) {
    return unreadable(file, error)
  }
}

/** Why a file cannot be read, and what to do. */
export function unreadable(file: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
  return code === 'ENOENT' ? `There is no ${file}; create it or correct the path.` : `${file} cannot be read (${code}).`
}

export function problemAt(document: PlacedDocument, file: string, where: Path, message: string): Problem {
  return { file, line: document.lineOf(where), path: where.join('.'), message }
}

/** SHA-256 over the files, each with its size before it, hex. */
export function digestOf(sources: readonly Source[]): string {
  const digest = createHash('sha256')
  for (const { text } of sources) digest.update(`${Buffer.byteLength(text)}\n`).update(text)
  return digest.digest('hex')
}
