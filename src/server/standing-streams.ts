/** A stream that stays open while nothing is asked. */
export interface StandingStream {
  /** Whether it may go on. Never rejects. */
  readonly still: () => Promise<boolean>
  /** Ends it. Called once. */
  readonly end: () => void
}

export interface StandingStreams {
  /** Looks after a stream until it may not go on, then ends it. Call what this gives once the stream has ended of itself. */
  follow(stream: StandingStream): () => void
  close(): void
}

/**
 * A call is judged when it comes; a stream that a GET opened would outlive the token it was opened with. So each is
 * judged again every `everyMs`: there are never more of them than sessions.
 */
export function standingStreams(everyMs: number): StandingStreams {
  const open = new Set<StandingStream>()
  /** Those that are being judged: a slow judgement is not asked for twice. */
  const judged = new Set<StandingStream>()

  async function judge(stream: StandingStream): Promise<void> {
    if (judged.has(stream)) return
    judged.add(stream)
    const goesOn = await stream.still()
    judged.delete(stream)
    if (!goesOn && open.delete(stream)) stream.end()
  }

  const timer = setInterval(() => {
    for (const stream of open) void judge(stream)
  }, everyMs)
  timer.unref()
  return {
    follow(stream) {
      open.add(stream)
      return () => void open.delete(stream)
    },
    close: () => clearInterval(timer),
  }
}
