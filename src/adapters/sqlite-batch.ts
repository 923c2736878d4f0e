import type { DatabaseSync } from 'node:sqlite'

/** Does some work inside a transaction; resolves with its result once that is durable. */
export type Write = <T>(work: () => T) => Promise<T>

interface Waiting {
  /** Does the work; gives how to tell its caller, once the transaction has ended. */
  readonly run: () => () => void
  readonly reject: (error: unknown) => void
}

/** Most pieces of work in one transaction. */
const batchMax = 256
/** Most pieces of work that wait for one. */
const waitingMax = 10_000

/**
 * Makes writes durable together: everything asked for in one turn of the event loop is one transaction, so one flush.
 * Work that throws before it writes is refused alone; when the disk does not take the transaction, all of it is.
 */
export function batches(db: DatabaseSync): Write {
  const waiting: Waiting[] = []

  function flush(): void {
    const batch = waiting.splice(0, batchMax)
    if (waiting.length > 0) setImmediate(flush)
    try {
      for (const tell of transaction(db, batch)) tell()
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return (work) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= waitingMax) throw new Error('The state cannot write as fast as it is asked to. Try again.')
      waiting.push({ run: () => outcomeOf(work, resolve, reject), reject })
      if (waiting.length === 1) setImmediate(flush)
    })
}

function transaction(db: DatabaseSync, batch: readonly Waiting[]): readonly (() => void)[] {
  db.exec('BEGIN IMMEDIATE')
  try {
    const tell = batch.map(({ run }) => run())
    db.exec('COMMIT')
    return tell
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** An error of the database ends the whole transaction; any other is the caller's own. */
function outcomeOf<T>(work: () => T, resolve: (value: T) => void, reject: (error: unknown) => void): () => void {
  try {
    const value = work()
    return () => resolve(value)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SQLITE_ERROR') throw error
    return () => reject(error)
  }
}
