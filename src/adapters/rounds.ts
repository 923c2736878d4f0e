export interface RoundsOptions {
  /** Pause before each round, milliseconds. */
  readonly everyMs: number
  /** One round. What it throws is a fault, and the next comes all the same. */
  readonly run: () => Promise<void> | void
  readonly fault: (error: unknown) => void
  /** The first round comes without a pause. */
  readonly atOnce?: boolean
}

export interface Rounds {
  /** Begins no more, and waits for the one under way. */
  close(): Promise<void>
}

/** Runs round after round until it is closed, never two at a time. Keeps no process alive. */
export function rounds({ everyMs, run, fault, atOnce = false }: RoundsOptions): Rounds {
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  async function round(): Promise<void> {
    try {
      await run()
    } catch (error) {
      fault(error)
    }
    running = undefined
    pause()
  }

  function begin(): void {
    running = round()
  }

  function pause(): void {
    if (!closed) timer = setTimeout(begin, everyMs).unref()
  }

  if (atOnce) begin()
  else pause()
  return {
    async close() {
      closed = true
      clearTimeout(timer)
      await running
    },
  }
}
