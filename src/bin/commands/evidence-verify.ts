import type { VerifyReport } from '../../apps/verify.ts'
import { verifyEvidence } from '../../apps/verify.ts'
import type { Problem } from '../../evidence/problem.ts'

interface VerifyFlags {
  readonly trust?: string
  readonly anchor?: string
  readonly quick?: true
  readonly jobs: number
  readonly json?: true
}

/** Verifies one path. Exit code: 0 intact, 1 tampered, 2 incomplete or untrusted; rejects, which is 3, when it cannot be read. */
export async function verify(file: string, { trust, anchor, quick, jobs, json }: VerifyFlags): Promise<void> {
  const report = await verifyEvidence({
    path: file,
    ...(trust !== undefined && { trustFile: trust }),
    ...(anchor !== undefined && { anchorFile: anchor }),
    quick: quick === true,
    jobs,
    ...(process.stderr.isTTY && { onProgress }),
  })
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  process.stdout.write(json ? `${JSON.stringify(jsonOf(report))}\n` : textOf(report, quick === true))
  process.exitCode = report.exitCode
}

function onProgress(doneBytes: number, totalBytes: number): void {
  const percent = Math.floor((100 * doneBytes) / Math.max(1, totalBytes))
  process.stderr.write(`\r${percent} % of ${(totalBytes / 1_048_576).toFixed(0)} MiB`)
}

function jsonOf({ ok, records, streams, problems, trust }: VerifyReport) {
  return { ok, records, streams, problems, trust }
}

const verdicts = { 0: 'INTACT', 1: 'TAMPERED', 2: 'INCOMPLETE OR UNTRUSTED' } as const

function textOf({ exitCode, records, streams, problems, trust }: VerifyReport, quick: boolean): string {
  const notes = [
    ...(trust === 'own' ? ["The keys come from the directory's own trust.json; --trust uses one kept elsewhere."] : []),
    ...(quick ? ['Record signatures were skipped (--quick).'] : []),
  ]
  const verdict = `${verdicts[exitCode]}: ${records} records in ${streams.length} streams`
  return [...problems.map(lineOf), ...notes, verdict, ''].join('\n')
}

function lineOf({ code, message, stream, segment, seq, offset, lastGoodSeq, lastGoodCheckpoint }: Problem): string {
  const place = [
    ...(stream === undefined ? [] : [`stream ${stream}`]),
    ...(segment === undefined ? [] : [segment]),
    ...(seq === undefined ? [] : [`record ${seq}`]),
    ...(offset === undefined ? [] : [`byte ${offset}`]),
  ]
  const good =
    lastGoodSeq === undefined ? '' : ` Good up to record ${lastGoodSeq}, checkpoint ${lastGoodCheckpoint ?? 0}.`
  return `${code}${place.length > 0 ? ` at ${place.join(', ')}` : ''}: ${message}${good}`
}
