import { closeSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Version of the schema below, kept in the file: how many of the steps it has been through. */
export const stateSchemaVersion = 3

/** How long a process waits for another one's write, milliseconds. */
const busyTimeoutMs = 5000

/** `counts` holds the number of rows, so that asking whether there is room does not read them all. */
const schema = `
  CREATE TABLE claims (
    key TEXT PRIMARY KEY, body TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('running', 'done', 'unknown')),
    answer TEXT, owner TEXT NOT NULL, expires_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX claims_expiry ON claims (expires_ms);
  CREATE TABLE remembered (key TEXT PRIMARY KEY, holder TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX remembered_expiry ON remembered (expires_ms);
  CREATE TABLE spending (
    day TEXT NOT NULL, account TEXT NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (day, account)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counts VALUES ('claims', 0), ('remembered', 0), ('spending', 0);
  CREATE TRIGGER claims_in AFTER INSERT ON claims BEGIN UPDATE counts SET n = n + 1 WHERE name = 'claims'; END;
  CREATE TRIGGER claims_out AFTER DELETE ON claims BEGIN UPDATE counts SET n = n - 1 WHERE name = 'claims'; END;
  CREATE TRIGGER remembered_in AFTER INSERT ON remembered BEGIN UPDATE counts SET n = n + 1 WHERE name = 'remembered'; END;
  CREATE TRIGGER remembered_out AFTER DELETE ON remembered BEGIN UPDATE counts SET n = n - 1 WHERE name = 'remembered'; END;
  CREATE TRIGGER spending_in AFTER INSERT ON spending BEGIN UPDATE counts SET n = n + 1 WHERE name = 'spending'; END;
  CREATE TRIGGER spending_out AFTER DELETE ON spending BEGIN UPDATE counts SET n = n - 1 WHERE name = 'spending'; END;
`

const documentsSchema = `
  CREATE TABLE documents (
    collection TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX documents_expiry ON documents (expires_ms);
  INSERT INTO counts VALUES ('documents', 0);
  CREATE TRIGGER documents_in AFTER INSERT ON documents BEGIN UPDATE counts SET n = n + 1 WHERE name = 'documents'; END;
  CREATE TRIGGER documents_out AFTER DELETE ON documents BEGIN UPDATE counts SET n = n - 1 WHERE name = 'documents'; END;
`

/** Files of the second version may hold this table already, with watches in it: it was made beside the schema then. */
const watchesSchema = `
  CREATE TABLE IF NOT EXISTS watches (id TEXT PRIMARY KEY, began_ms INTEGER NOT NULL, watch TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

/** What each release added, oldest first. A file goes through the steps it has not seen. */
const steps: readonly string[] = [schema, documentsSchema, watchesSchema]

/** Opens the state file with the schema in force. Throws one sentence, with the remedy, when it cannot be used. */
export function openStateDatabase(file: string): DatabaseSync {
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    // Created here rather than by SQLite, which would let others read it.
    closeSync(openSync(file, 'a', 0o600))
    const db = new DatabaseSync(file, { timeout: busyTimeoutMs })
    prepareOrClose(db)
    return db
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(
      `The state file ${file} cannot be used: ${reason}. Check its permissions and the disk; if it is damaged, restore it from a backup.`,
      {
        cause: error,
      },
    )
  }
}

function prepareOrClose(db: DatabaseSync): void {
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    db.exec('BEGIN IMMEDIATE')
    migrate(db)
    db.exec('COMMIT')
  } catch (error) {
    db.close()
    throw error
  }
}

function migrate(db: DatabaseSync): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > stateSchemaVersion)
    throw new Error(`it was written by a newer release (schema ${version}, this one knows ${stateSchemaVersion})`)
  for (const step of steps.slice(version)) db.exec(step)
  db.exec(`PRAGMA user_version = ${stateSchemaVersion}`)
}
