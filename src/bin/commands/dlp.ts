import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import type { Finding, Findings } from '../../dlp/finding.ts'
import type { Marks } from '../../dlp/markers.ts'
import { marks } from '../../dlp/markers.ts'
import { ScanLimit } from '../../dlp/meter.ts'
import { detectorVersion, scanner } from '../../dlp/scan.ts'
import type { Json } from '../../ports/json.ts'

interface ScanOptions {
  readonly json?: true
}

/** What was read: parsed when the whole file is one JSON value, else its text. */
interface Input {
  readonly value: Json
  /** Present for plain text: findings are then told by line and column. */
  readonly text?: string
}

/** Adds `dlp scan`. Exit codes: 0 scanned, whatever was found; 2 beyond the limits, so a gateway would withhold it; 3 usage. */
export function dlpCommand(program: Command): void {
  const dlp = program.command('dlp').description('see what the scanner makes of a file')
  dlp
    .command('scan')
    .description('list personal data, secrets and injection marks: where, what kind, and what decided; never the value')
    .argument('<file>', 'a JSON or text file, or - for standard input')
    .option('--json', 'print one JSON object')
    .action(scan)
}

async function scan(file: string, { json }: ScanOptions): Promise<void> {
  const input = await read(file)
  if (input === undefined) return
  try {
    const findings = scanner({ hashKey: noHash }).scan(input.value)
    const marked = marks(input.value)
    if (json) print(JSON.stringify({ ok: true, version: detectorVersion, ...findings, injection: marked }))
    else print([...lines(findings.list, input), ...summary(findings, marked)].join('\n'))
  } catch (error) {
    if (!(error instanceof ScanLimit)) throw error
    process.stderr.write(`${error.message} A gateway would withhold it; split the file to scan it here.\n`)
    if (json) print(JSON.stringify({ ok: false, version: detectorVersion, limit: error.limit }))
    process.exitCode = 2
  }
}

async function read(file: string): Promise<Input | undefined> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(
      await (file === '-' ? buffer(process.stdin) : readFile(file)),
    )
    return parsed(text) ?? { value: text, text }
  } catch (error) {
    const why = error instanceof TypeError ? 'it is not UTF-8 text' : (error as NodeJS.ErrnoException).code
    process.stderr.write(
      `${file} cannot be read (${why}): give a readable JSON or text file, or - for standard input.\n`,
    )
    process.exitCode = 3
    return undefined
  }
}

function parsed(text: string): Input | undefined {
  try {
    return { value: JSON.parse(text) as Json }
  } catch {
    return undefined
  }
}

function lines(list: readonly Finding[], { text }: Input): readonly string[] {
  const place = text === undefined ? undefined : positions(text)
  return list.map(({ kind, path, start, end, score, why, reserved }) => {
    const where = place?.(start) ?? `${path === '' ? '$' : path} [${start}-${end}]`
    return `${where}  ${kind}  ${score.toFixed(2)}  ${why}${reserved ? '; reserved address, left as it is' : ''}`
  })
}

/** Turns offsets, asked for in rising order, into line and column. */
function positions(text: string): (offset: number) => string {
  let line = 1
  let lineStart = 0
  return (offset) => {
    for (let next = text.indexOf('\n', lineStart); next !== -1 && next < offset; next = text.indexOf('\n', lineStart)) {
      line++
      lineStart = next + 1
    }
    return `${line}:${offset - lineStart + 1}`
  }
}

function summary({ count, kinds, list }: Findings, { score, signals }: Marks): readonly string[] {
  const each = Object.entries(kinds).map(([kind, number]) => `${kind} ${number}`)
  const listed = list.length > 0 ? [''] : []
  const marksLine = score === 0 ? 'no injection marks' : `injection marks ${signals.join(', ')} (score ${score})`
  return [...listed, count === 0 ? 'nothing found' : `${count} found: ${each.join(', ')}`, marksLine]
}

function noHash(): never {
  throw new TypeError('Nothing is hashed while scanning.')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
