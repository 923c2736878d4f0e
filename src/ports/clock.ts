/** The time, as the core sees it. Nothing in the core reads a clock of its own. */
export interface Clock {
  /** Milliseconds since the Unix epoch, whole. May step in either direction. */
  nowMs(): number
  /** Nanoseconds from an arbitrary start. Never goes back within one process. */
  monoNs(): bigint
}
