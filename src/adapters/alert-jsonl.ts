import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { AlertSink } from '../ports/alert-sink.ts'

export interface JsonlSinkOptions {
  /** The file to append to; its directory is made when it is missing. */
  readonly path: string
}

/** Appends each alert as one line of JSON and resolves once the line is on disk. Rejects when it cannot be written. */
export function jsonlAlertSink({ path }: JsonlSinkOptions): AlertSink {
  let queue: Promise<void> = Promise.resolve()

  async function append(line: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    await using file = await open(path, 'a', 0o600)
    await file.appendFile(line)
    await file.sync()
  }

  return {
    name: 'jsonl',
    deliver(alert) {
      const written = queue.then(() => append(`${JSON.stringify(alert)}\n`))
      queue = written.catch(() => {})
      return written
    },
    close: () => queue,
  }
}
