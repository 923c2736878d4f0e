import { claimsChecker } from './claims.ts'
import type { Problem } from './problem.ts'
import type { SegmentLine, StreamOptions, StreamSummary } from './verify.ts'
import { streamVerifier } from './verify.ts'

export interface StreamReport {
  readonly summary: StreamSummary
  /** In the order of their places. */
  readonly problems: readonly Problem[]
}

export interface JudgeOptions extends StreamOptions {
  /** Signatures checked side by side; 1 unless said otherwise. */
  readonly jobs?: number
  /** Told after each line how many bytes it had. */
  readonly onBytes?: (sizeBytes: number) => void
}

/** Verifies one stream from its lines. Constant memory, whatever its length. */
export async function verifyStream(
  lines: AsyncIterable<SegmentLine> | Iterable<SegmentLine>,
  options: JudgeOptions,
): Promise<StreamReport> {
  const verifier = streamVerifier(options)
  const claims = claimsChecker(options.jobs ?? 1)
  const problems: Problem[] = []
  for await (const line of lines) {
    const step = verifier.step(line)
    problems.push(...step.problems)
    if (step.claims.length > 0) await claims.add(step.claims)
    options.onBytes?.(line.bytes.length + 1)
  }
  const end = verifier.end()
  problems.push(...(await claims.settle()), ...end.problems)
  return { summary: end.summary, problems: inPlace(problems) }
}

function inPlace(problems: readonly Problem[]): readonly Problem[] {
  const key = ({ segment = '' }: Problem) => segment
  return problems.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : (a.offset ?? 0) - (b.offset ?? 0)))
}
