import { existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const root = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')

const Proof = z.union([
  z.strictObject({ test: z.string(), titles: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ run: z.string() }),
])
const Row = z.strictObject({
  what: z.string().min(1),
  state: z.enum(['proven', 'partial', 'open']),
  missing: z.string().exactOptional(),
  proof: z.array(Proof).min(1).exactOptional(),
})

const rows = z.record(z.string(), Row).parse(parse(read('docs/mission.yaml')))
const proofs = Object.entries(rows).flatMap(([id, { proof = [] }]) => proof.map((one) => ({ id, ...one })))

const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts)
const program = read('src/bin/sluicegate.ts')
const commandFiles = readdirSync(path.join(root, 'src/bin/commands')).map((file) => read(`src/bin/commands/${file}`))

/** The words that a command file registers: `.command('verify')`, `.command('check <file>')`. */
const registered = commandFiles.flatMap((text) => [...text.matchAll(/\.command\('(\w+)/g)].map((match) => match[1]))

/** Why a command line cannot be run; undefined when it can. */
function unknownCommand(line: string): string | undefined {
  const [first, second = '', third = ''] = line.split(' ')
  if (line === 'npm test') return scripts.includes('test') ? undefined : line
  if (first === 'npm') return second === 'run' && scripts.includes(third) ? undefined : line
  const known = first === 'sluicegate' && program.includes(`  ${second}: async`)
  return known && (third === '' || registered.includes(third)) ? undefined : line
}

describe('the mission', () => {
  it('has every row, and no other', () => {
    const numbered = (letter: string, count: number) => Array.from({ length: count }, (_, at) => `${letter}${at + 1}`)
    expect(Object.keys(rows)).toEqual([...numbered('M', 30), ...numbered('B', 12)])
  })

  it('names a proof for what is proven, and says what is missing of the rest', () => {
    for (const [id, { state, proof, missing }] of Object.entries(rows)) {
      expect(proof !== undefined, `${id} has a proof`).toBe(state !== 'open')
      expect(missing !== undefined, `${id} says what is missing`).toBe(state !== 'proven')
    }
  })

  it('is proven by tests that exist', () => {
    const gone = proofs.flatMap((proof) => {
      if (!('test' in proof)) return []
      if (!existsSync(path.join(root, proof.test))) return [`${proof.id}: ${proof.test}`]
      const text = read(proof.test)
      return proof.titles
        .filter((title) => !text.includes(title))
        .map((title) => `${proof.id}: ${proof.test}: ${title}`)
    })
    expect(gone).toEqual([])
  })

  it('is proven by commands that exist', () => {
    const gone = proofs.flatMap((proof) => ('run' in proof ? (unknownCommand(proof.run) ?? []) : []))
    expect(gone).toEqual([])
  })
})
