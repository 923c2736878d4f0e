import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Cut, Dials } from './dials.ts'

/** Answers that are known and not yet taken. */
export interface Backlog {
  /** Writes bytes no faster than the client takes them, and resolves when all are written or the client is gone. */
  pour(response: ServerResponse, bytes: Uint8Array): Promise<void>
}

/** Written at one time. Whatever is larger shows, piece by piece, whether its reader moves. */
const sliceBytes = 64 * 1024

/**
 * Bounds the memory of all answers together: beyond it the one that has waited longest is given up, with its connection.
 * An answer counts with all its bytes until the last one is taken, for so long its memory is.
 */
export function backlog({ heldBytesMax }: Dials, cut: Cut): Backlog {
  const held = new Map<ServerResponse, number>()
  let total = 0

  function release(response: ServerResponse): void {
    total -= held.get(response) ?? 0
    held.delete(response)
  }

  function hold(response: ServerResponse, sizeBytes: number): void {
    held.set(response, sizeBytes)
    total += sizeBytes
    for (const [oldest] of held) {
      if (total <= heldBytesMax || oldest === response) return
      release(oldest)
      cut('held_answers')
      oldest.destroy()
    }
  }

  return {
    async pour(response, bytes) {
      hold(response, bytes.length)
      for (let from = 0; from < bytes.length && !response.destroyed; from += sliceBytes) {
        if (!response.write(bytes.subarray(from, from + sliceBytes))) await drained(response)
      }
      release(response)
    },
  }
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return
  const over = new AbortController()
  const { signal } = over
  await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })])
    .catch(() => undefined)
    .finally(() => over.abort())
}
