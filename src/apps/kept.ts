import { createHash } from 'node:crypto'

/** What was opened because configuration asks for it. Asked for in the same words it is the same thing, with what it has learned. */
export interface Kept {
  /** Begins to open what one version of the configuration asks for. One round at a time. */
  round(): Round
  /** Closes everything. */
  close(): Promise<void>
}

/** What one version of the configuration asks for, until it is known whether it comes into force. */
export interface Round {
  /** The thing that was made for these words before, or a new one. Rejects when it cannot be made. */
  readonly keep: Keep
  /** This version is in force: what it did not ask for is closed, in the background. */
  commit(): void
  /** This version is not wanted: what was made for it alone is closed. */
  abandon(): void
}

export type Keep = <T>(name: string, words: unknown, make: () => Promise<T> | T) => Promise<T>

interface Held {
  readonly thing: Promise<unknown>
}

export function kept(): Kept {
  let inForce = new Map<string, Held>()

  return {
    round() {
      const asked = new Map<string, Held>()
      return {
        keep<T>(name: string, words: unknown, make: () => Promise<T> | T): Promise<T> {
          const key = `${name} ${createHash('sha256').update(JSON.stringify(words)).digest('hex')}`
          const held = asked.get(key) ?? inForce.get(key) ?? { thing: Promise.resolve().then(make) }
          asked.set(key, held)
          return held.thing as Promise<T>
        },
        commit() {
          const before = inForce
          inForce = asked
          void closeAll(without(before, asked))
        },
        abandon: () => void closeAll(without(asked, inForce)),
      }
    },
    close: () => closeAll([...inForce.values()]),
  }
}

/** Opens everything anew and closes nothing: for programs that read their configuration once. */
export const once: Keep = async (_name, _words, make) => make()

function without(all: ReadonlyMap<string, Held>, those: ReadonlyMap<string, Held>): readonly Held[] {
  const others = new Set(those.values())
  return [...all.values()].filter((held) => !others.has(held))
}

async function closeAll(all: readonly Held[]): Promise<void> {
  await Promise.allSettled(all.map(async ({ thing }) => (await (thing as Promise<Closable>)).close?.()))
}

interface Closable {
  readonly close?: () => Promise<unknown>
}
