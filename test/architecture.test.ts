import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')

/** From the outside in. A file may import from its own layer and from layers further in. */
const layers: readonly (readonly string[])[] = [
  ['bin'],
  ['demo'],
  ['apps', 'index.ts', 'client.ts'],
  ['server', 'adapters', 'tools', 'upstream', 'telemetry', 'config'],
  ['call', 'identity', 'expression', 'policy', 'dlp', 'limits', 'evidence', 'control', 'detection'],
  ['ports'],
]
const depthOf = (folder: string) => layers.findIndex((layer) => layer.includes(folder))
const coreDepth = layers.length - 2

interface Import {
  readonly from: string
  readonly what: string
  readonly typeOnly: boolean
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(directory, name))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const found = [...text.matchAll(/^(?:import|export)\s+(type\s+)?[^'"]*?\bfrom\s+'([^']+)'/gms)]
  const bare = [...text.matchAll(/^import\s+'([^']+)'/gm), ...text.matchAll(/\bimport\('([^']+)'\)/g)]
  return [
    ...found.map((match) => ({ from: file, what: match[2] as string, typeOnly: match[1] !== undefined })),
    ...bare.map((match) => ({ from: file, what: match[1] as string, typeOnly: false })),
  ]
}

const folderOf = (file: string) => relative(src, file).split(sep)[0] as string
const name = (file: string) => relative(root, file)
const imports = filesIn(src).flatMap(importsOf)

describe('the architecture', () => {
  it('knows every folder', () => {
    const folders = new Set(filesIn(src).map(folderOf))
    expect([...folders].filter((folder) => depthOf(folder) < 0)).toEqual([])
  })

  it('lets imports point inward only', () => {
    const outward = imports
      .filter(({ what }) => what.startsWith('.'))
      .filter(({ from, what, typeOnly }) => {
        const target = folderOf(resolve(from, '..', what))
        const portNamesType = folderOf(from) === 'ports' && typeOnly && depthOf(target) === coreDepth
        return depthOf(target) < depthOf(folderOf(from)) && !portNamesType
      })
    expect(outward.map(({ from, what }) => `${name(from)} -> ${what}`)).toEqual([])
  })

  it('keeps input and output out of the core', () => {
    const touching = imports.filter(
      ({ from, what }) => depthOf(folderOf(from)) >= coreDepth && what.startsWith('node:') && what !== 'node:crypto',
    )
    expect(touching.map(({ from, what }) => `${name(from)} -> ${what}`)).toEqual([])
  })

  it('keeps clocks, randomness and the environment out of the core', () => {
    const core = filesIn(src).filter((file) => depthOf(folderOf(file)) >= coreDepth)
    const reading = core.filter((file) =>
      /\b(Date\.now\(|new Date\(\)|Math\.random\(|process\.(env|hrtime|argv|cwd)|performance\.now\()/.test(
        readFileSync(file, 'utf8'),
      ),
    )
    expect(reading.map(name)).toEqual([])
  })

  it('keeps the independent verifier independent', () => {
    const verifier = readdirSync(join(root, 'verifier')).map((file) =>
      readFileSync(join(root, 'verifier', file), 'utf8'),
    )
    expect(verifier.filter((text) => /from\s+'\.\.?\/.*src\//.test(text))).toEqual([])
  })

  it('names every span and attribute in one file', () => {
    const spelled = filesIn(src)
      .filter((file) => !file.endsWith(join('telemetry', 'names.ts')))
      .filter((file) =>
        /'(agent\.plan|mcp\.tool\.invoke|policy\.evaluate|service\.api\.call|dlp\.redact)'/.test(
          readFileSync(file, 'utf8'),
        ),
      )
    expect(spelled.map(name)).toEqual([])
  })
})
