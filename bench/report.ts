import type { Appended } from './append.ts'
import type { Audit } from './audit.ts'
import type { Beside } from './beside.ts'
import type { Detected } from './detect.ts'
import { governedMode, type ModeResult } from './http.ts'
import type { StdioResult } from './stdio.ts'

/** Everything that was measured. */
export interface Results {
  readonly machine: string
  readonly http: readonly ModeResult[]
  /** Calls that policy refused on the governed side over HTTP. */
  readonly denied: number
  /** The stock server first, then the governed one with its evidence on disk, and on a tmpfs where there is one. */
  readonly stdio: readonly StdioResult[]
  readonly evidence: { readonly recordCheckpoint: Appended; readonly checkpoint: Appended }
  readonly audit: Audit
  readonly detector: Detected
  readonly beside: readonly Beside[]
}

/** The one object of `--json`. */
export function summaryOf(results: Results) {
  const { stock, governed } = sides(results)
  const [stdioStock, stdioDisk] = results.stdio
  return {
    sdk: { mode: stock.mode, rps32: Math.round(stock.perS32) },
    governed: { rps32: Math.round(governed.perS32), p50Ms1: rounded(governed.p50Ms1, 3), denied: results.denied },
    ratioRps32: rounded(governed.perS32 / stock.perS32, 2),
    ratioP50Conn1: rounded(governed.p50Ms1 / stock.p50Ms1, 2),
    stdioAddedMs: rounded((stdioDisk?.p50Ms ?? NaN) - (stdioStock?.p50Ms ?? NaN), 3),
    evidencePerS: {
      recordCheckpoint: Math.round(results.evidence.recordCheckpoint.perS),
      checkpoint: Math.round(results.evidence.checkpoint.perS),
    },
    verifyPerS: {
      full: Math.round(results.evidence.recordCheckpoint.verifyPerS.full),
      quick: Math.round(results.evidence.recordCheckpoint.verifyPerS.quick),
    },
    detectorPerS: Math.round(results.detector.perS),
    rssMb: Math.round(governed.rssMb),
  }
}

/** The fastest stock mode at 32 connections, and the governed side. */
function sides({ http }: Results) {
  const governed = http.find(({ mode }) => mode === governedMode)
  const [stock] = http.filter(({ mode }) => mode !== governedMode).sort((one, other) => other.perS32 - one.perS32)
  if (!stock || !governed) throw new Error('Both sides must be measured.')
  return { stock, governed }
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** The tables a person reads. */
export function reportText(results: Results): string {
  const { stock } = sides(results)
  const summary = summaryOf(results)
  const { evidencePerS, verifyPerS, detectorPerS } = summary
  return [
    results.machine,
    '',
    '| HTTP tools/call | req/s, 32 conn. | to fastest stock | p50 / p99 ms | CPU µs | p50 ms, 1 conn. | RSS MB |',
    '|---|---|---|---|---|---|---|',
    ...results.http.map((mode) => httpRow(mode, stock)),
    '',
    '| stdio, one call under way | p50 ms | added ms |',
    '|---|---|---|',
    ...results.stdio.map((row) => stdioRow(row, results.stdio[0])),
    '',
    '| also | per second |',
    '|---|---|',
    `| evidence, record and checkpoint signed | ${evidencePerS.recordCheckpoint} |`,
    `| evidence, checkpoint signed | ${evidencePerS.checkpoint} |`,
    `| verify, full | ${verifyPerS.full} |`,
    `| verify, quick | ${verifyPerS.quick} |`,
    `| detector events | ${detectorPerS} |`,
    '',
    '| an honest call beside | p99 ms alone | p99 ms beside it | ratio | refused of its own calls |',
    '|---|---|---|---|---|',
    ...results.beside.map(besideRow),
    '',
    `${results.audit.records} records of the governed run verify; every answered call is among them, ${results.denied} as denied.`,
    '',
  ].join('\n')
}

function httpRow(mode: ModeResult, stock: ModeResult): string {
  const ratio = `${(mode.perS32 / stock.perS32).toFixed(2)}×`
  const many = `${mode.p50Ms32.toFixed(2)} / ${mode.p99Ms32.toFixed(1)}`
  const one = `${mode.p50Ms1.toFixed(3)} (${(mode.p50Ms1 / stock.p50Ms1).toFixed(2)}×)`
  const cells = [mode.mode, mode.perS32.toFixed(0), ratio, many, mode.cpuUs.toFixed(0), one, mode.rssMb.toFixed(0)]
  return `| ${cells.join(' | ')} |`
}

function besideRow({ what, aloneMs, besideMs, refused }: Beside): string {
  const ratio = `${(besideMs / aloneMs).toFixed(2)}×`
  return `| ${[what, aloneMs.toFixed(2), besideMs.toFixed(2), ratio, refused].join(' | ')} |`
}

function stdioRow({ mode, p50Ms }: StdioResult, stock: StdioResult | undefined): string {
  return `| ${mode} | ${p50Ms.toFixed(3)} | ${(p50Ms - (stock?.p50Ms ?? 0)).toFixed(3)} |`
}
