import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { stateSchemaVersion } from './state-sqlite-schema.ts'

/** What a state file is, as far as a reader can tell. */
export interface StateFacts {
  /** `ok`, or what SQLite finds damaged first. */
  readonly verdict: string
  /** Steps of the schema it has been through, and those this release knows. */
  readonly schema: number
  readonly schemaKnown: number
}

/** How long to wait for a writer, milliseconds. */
const busyTimeoutMs = 2_000

/**
 * Looks at a state file that a gateway may be writing, and changes nothing: neither it nor its schema, and leaves no file
 * beside it. Throws what SQLite says of a file that it cannot read.
 */
export function stateFacts(file: string): StateFacts {
  if (inUse(file)) return factsOf(new DatabaseSync(file, { readOnly: true, timeout: busyTimeoutMs }))
  try {
    return factsOf(new DatabaseSync(untouched(file), { readOnly: true }))
  } catch (error) {
    // A gateway may have begun to write while it was read.
    if (!inUse(file)) throw error
    return factsOf(new DatabaseSync(file, { readOnly: true, timeout: busyTimeoutMs }))
  }
}

/** A log beside the file belongs to a process that writes it, or was killed. */
const inUse = (file: string): boolean => existsSync(`${file}-wal`)

/** Without a log SQLite would make one, even for a reader, and leave it behind. */
function untouched(file: string): URL {
  const url = pathToFileURL(file)
  url.searchParams.set('immutable', '1')
  return url
}

function factsOf(db: DatabaseSync): StateFacts {
  try {
    const verdict = String(Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0])
    const { user_version: schema } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    return { verdict, schema, schemaKnown: stateSchemaVersion }
  } finally {
    db.close()
  }
}
