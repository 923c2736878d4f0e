import { existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')

const markdownIn = (folder: string) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name))

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...['docs', 'examples', '.github'].flatMap(markdownIn),
]

/** Links to files of this repository, without what follows the `#`. */
function linksIn(page: string): readonly string[] {
  return [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target.split('#')[0] ?? '')
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
}

/** What a link's `#` may name in a page: its headings, as they are spelled there. */
const headingsIn = (page: string) =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replace(/ /g, '-'),
  )

/** Paths a page names in code, such as `src/call/stages.ts`. */
const filesNamedIn = (page: string) =>
  [...read(page).matchAll(/`((?:src|test|docs|scripts|verifier|detections|policies|examples)\/[\w./-]+\.\w+)`/g)].map(
    ([, file = '']) => file,
  )

describe('the documentation', () => {
  it.each(pages)('links to files that exist: %s', (page) => {
    const gone = linksIn(page).filter((target) => !existsSync(path.join(root, path.dirname(page), target)))
    expect(gone).toEqual([])
  })

  it.each(pages)('links to headings that exist: %s', (page) => {
    const gone = [...read(page).matchAll(/\]\(([^)\s:#]*)#([^)\s]+)\)/g)].filter(([, file = '', heading = '']) => {
      const target = file === '' ? page : path.join(path.dirname(page), file)
      return !headingsIn(target).includes(heading)
    })
    expect(gone.map(([link]) => link)).toEqual([])
  })

  it.each(pages)('names files that exist: %s', (page) => {
    expect(filesNamedIn(page).filter((file) => !existsSync(path.join(root, file)))).toEqual([])
  })

  it('names files that exist, where ARCHITECTURE.md names them without their folder', () => {
    const known = new Set(
      readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((name) => path.basename(name)),
    )
    const named = [...read('ARCHITECTURE.md').matchAll(/`(?:[\w-]+\/)*([\w-]+\.ts)`/g)].map(([, file = '']) => file)
    expect(named.filter((file) => !known.has(file) && file !== 'architecture.test.ts')).toEqual([])
  })

  it('runs npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> }
    const named = pages.flatMap((page) =>
      [...read(page).matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => `${page}: ${name}`),
    )
    expect(named.filter((one) => !((one.split(': ')[1] ?? '') in scripts))).toEqual([])
  })

  it('lists every page in docs/README.md', () => {
    const listed = linksIn('docs/README.md').map((target) => path.join('docs', target))
    const listedFolder = (page: string) => listed.includes(`${path.dirname(page)}/`)
    const unlisted = markdownIn('docs').filter(
      (page) => page !== 'docs/README.md' && !listed.includes(page) && !listedFolder(page),
    )
    expect(unlisted).toEqual([])
  })

  it('lists every decision, each on one screen', () => {
    const notes = readdirSync(path.join(root, 'docs/decisions')).filter((name) => name !== 'README.md')
    expect(linksIn('docs/decisions/README.md').toSorted()).toEqual(notes.toSorted())
    expect(notes.filter((name) => read(`docs/decisions/${name}`).split('\n').length > 40)).toEqual([])
  })

  it('lists under its limits what configuration refuses', () => {
    const source = readdirSync(path.join(root, 'src/config'))
      .map((file) => read(`src/config/${file}`))
      .join('\n')
    const refused = [...source.matchAll(/(\w+): notServed\(/g)].map(([, key = '']) => key)
    const limits = read('docs/limits.md')
    expect(refused.length).toBeGreaterThan(5)
    expect(refused.filter((key) => !new RegExp(`\\b${key}\\b`).test(limits))).toEqual([])
  })

  it('shows the client that examples/client.mjs is', () => {
    const [snippet = ''] = /(?<=```js\n)const transport[\s\S]*?(?=```)/.exec(read('README.md')) ?? []
    expect(snippet).not.toBe('')
    expect(read('examples/client.mjs')).toContain(snippet)
  })
})
