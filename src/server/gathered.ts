/** Bytes that come in pieces, up to a maximum. */
export interface Gathered {
  /** Keeps a piece. False, and nothing is held any more, when there are more than the maximum. */
  add(piece: Uint8Array): boolean
  /** All bytes since the last time, in order; from then on they are the caller's. */
  take(): Uint8Array
}

const nothing = new Uint8Array()

/**
 * Gathers pieces in one buffer that doubles as it fills: a list of a million pieces of one byte would take a hundred times
 * what they hold, and whoever sends them chooses their size. A single piece is passed on as it is.
 */
export function gathering(sizeBytesMax: number): Gathered {
  let held: Uint8Array = nothing
  let sizeBytes = 0
  const letGo = (): void => {
    held = nothing
    sizeBytes = 0
  }
  return {
    add(piece) {
      const nextBytes = sizeBytes + piece.length
      if (nextBytes > sizeBytesMax) {
        letGo()
        return false
      }
      if (sizeBytes === 0) held = piece
      else {
        if (held.length < nextBytes) held = grown(held, Math.min(2 * nextBytes, sizeBytesMax))
        held.set(piece, sizeBytes)
      }
      sizeBytes = nextBytes
      return true
    },
    take() {
      const all = held.subarray(0, sizeBytes)
      letGo()
      return all
    },
  }
}

function grown(held: Uint8Array, sizeBytes: number): Uint8Array {
  const next = Buffer.allocUnsafeSlow(sizeBytes)
  next.set(held)
  return next
}
