import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'

/** The folder of third-party rows; undefined where there is none. Nothing of it is ever copied into the project. */
export function corporaFolder(): string | undefined {
  const folder = process.env['SLUICEGATE_CORPORA']
  return folder !== undefined && existsSync(join(folder, 'attacks')) ? join(folder, 'attacks') : undefined
}

/** The rows of a JSON Lines file. Throws when the file is missing or a line is no JSON. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the file's shape
export function rowsOf<Row>(folder: string, name: string): readonly Row[] {
  return linesOf(readFileSync(join(folder, `${name}.jsonl`), 'utf8')).map((line) => JSON.parse(line) as Row)
}

/** Reads a folder's files, and remembers in a sentence each what it could not read: what was not read was not tried. */
export interface Reader {
  /** The rows of a JSON Lines file that fit their form. None where the file is missing or holds none. */
  rows<Row>(file: string, form: z.ZodType<Row>): readonly Row[]
  /** The value of a JSON file; undefined where it is missing or has another form. */
  value<Value>(file: string, form: z.ZodType<Value>): Value | undefined
  readonly problems: readonly string[]
}

export function reader(folder: string): Reader {
  const problems: string[] = []
  const textOf = (file: string): string | undefined => {
    const path = join(folder, file)
    if (existsSync(path)) return readFileSync(path, 'utf8')
    problems.push(`There is no ${path}: SLUICEGATE_CORPORA names the folder above attacks/.`)
    return undefined
  }
  const read = <Value>(place: string, text: string, form: z.ZodType<Value>): Value | undefined => {
    const judged = form.safeParse(jsonIn(text))
    if (judged.success) return judged.data
    const at = judged.error.issues[0]?.path.join('.') ?? ''
    problems.push(`${place} is not of the form its datasheet gives${at === '' ? '' : `: see ${at}`}.`)
    return undefined
  }
  return {
    problems,
    value(file, form) {
      const text = textOf(file)
      return text === undefined ? undefined : read(file, text, form)
    },
    rows(file, form) {
      const text = textOf(file)
      if (text === undefined) return []
      const lines = linesOf(text)
      if (lines.length === 0) problems.push(`${file} holds no row.`)
      const rows = lines.map((line, index) => read(`Row ${index + 1} of ${file}`, line, form))
      return rows.filter((row) => row !== undefined)
    },
  }
}

const linesOf = (text: string): readonly string[] => text.split(/\r?\n/).filter((line) => line.trim() !== '')

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
