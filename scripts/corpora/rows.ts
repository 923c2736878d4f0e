import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of third-party rows; undefined where there is none. Nothing of it is ever copied into the project. */
export function corporaFolder(): string | undefined {
  const folder = process.env['SLUICEGATE_CORPORA']
  return folder !== undefined && existsSync(join(folder, 'attacks')) ? join(folder, 'attacks') : undefined
}

/** A file of the folder is not there. */
export class MissingRows extends Error {}

/** The text of a file. Throws `MissingRows` when it is missing. */
export function textOf(folder: string, file: string): string {
  const path = join(folder, file)
  if (!existsSync(path))
    throw new MissingRows(`There is no ${path}. SLUICEGATE_CORPORA names the folder above attacks/.`)
  return readFileSync(path, 'utf8')
}

/** The rows of a JSON Lines file. Throws when the file is missing (`MissingRows`) or a line is no JSON. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the file's shape
export function rowsOf<Row>(folder: string, name: string): readonly Row[] {
  return textOf(folder, `${name}.jsonl`)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row)
}
