/** Plays the demo and draws what it printed: `node scripts/picture.ts` writes docs/assets/demo.svg. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { table } from '../src/demo/report.ts'
import { runDemo } from '../src/demo/run.ts'

const size = { char: 7.25, line: 18, pad: 16, bar: 30 }
const ink = {
  text: '#d0d7de',
  dim: '#8b949e',
  good: '#56d364',
  heading: '#79c0ff',
  refused: '#e3b341',
  stop: '#ff7b72',
}

/** One line, cut into pieces by what they say. */
function pieces(line: string, next: string | undefined): readonly (readonly [string, string])[] {
  if (/^-+$/.test(line)) return [[line, ink.dim]]
  if (next !== undefined && /^-+$/.test(next)) return [[line, ink.heading]]
  const row = /^( {2}ok {2})(.{62} )(.{20} )(\S+)$/.exec(line)
  if (row) {
    const [, ok = '', title = '', agent = '', ended = ''] = row
    return [
      [ok, ink.good],
      [title, ink.text],
      [agent, ink.dim],
      [ended, ended === 'ok' ? ink.good : ink.refused],
    ]
  }
  const stopped = line.indexOf('session switch')
  return stopped < 0
    ? [[line, ink.text]]
    : [
        [line.slice(0, stopped), ink.text],
        [line.slice(stopped), ink.stop],
      ]
}

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

function drawn(line: string, index: number, lines: readonly string[]): string {
  if (line === '') return ''
  const y = size.bar + size.pad + (index + 0.7) * size.line
  const spans = pieces(line, lines[index + 1]).map(([text, fill]) => `<tspan fill="${fill}">${escaped(text)}</tspan>`)
  const width = (line.length * size.char).toFixed(1)
  return `<text x="${size.pad}" y="${y.toFixed(1)}" textLength="${width}" xml:space="preserve">${spans.join('')}</text>`
}

/** A terminal with these lines in it. No script, no font and no picture from elsewhere, so that it renders anywhere. */
export function picture(lines: readonly string[]): string {
  const width = Math.ceil(Math.max(...lines.map(({ length }) => length)) * size.char + 2 * size.pad)
  const height = size.bar + 2 * size.pad + lines.length * size.line
  const lights = ['#ff5f57', '#febc2e', '#28c840'].map(
    (fill, index) => `<circle cx="${18 + index * 18}" cy="15" r="5.5" fill="${fill}"/>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    '<title>Output of npm run demo: golden flows, attacks, what the detector found, and what was left behind</title>',
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    ...lights,
    '<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" font-size="12">',
    ...lines.map(drawn).filter((text) => text !== ''),
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

if (import.meta.main) {
  const data = mkdtempSync(path.join(tmpdir(), 'sluicegate-picture-'))
  const report = await runDemo({ data, progress: (line) => void process.stderr.write(`  ${line}\n`) })
  rmSync(data, { recursive: true, force: true })
  const file = path.join(import.meta.dirname, '../docs/assets/demo.svg')
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, picture(['$ npm run demo', ...table(report, undefined).trimEnd().split('\n')]))
}
