import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
const read = (name: string) => readFileSync(path.join(root, name), 'utf8')

const manifest = JSON.parse(read('package.json')) as {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly allowScripts: Readonly<Record<string, boolean>>
}
const lock = JSON.parse(read('package-lock.json')) as {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly hasInstallScript?: boolean }>>
}

/** Rows of one section: name, version, reason. */
function documented(section: string): readonly (readonly [string, string, string])[] {
  const text =
    read('docs/dependencies.md')
      .split(/^## /m)
      .find((part) => part.startsWith(section)) ?? ''
  return [...text.matchAll(/^\| `([^`]+)` \| (\S+) \| (.+) \|$/gm)].map(([, name = '', version = '', why = '']) => [
    name,
    version,
    why,
  ])
}

const versionsIn = (section: string) =>
  Object.fromEntries(documented(section).map(([name, version]) => [name, version]))

/** `node_modules/a/node_modules/@b/c` is `@b/c`. */
const nameOf = (place: string) => place.split('node_modules/').at(-1) ?? ''

describe('the dependencies', () => {
  it('are all in docs/dependencies.md with their version, and no others', () => {
    expect(versionsIn('At run time')).toEqual(manifest.dependencies)
    expect(versionsIn('Beside it')).toEqual(manifest.peerDependencies)
    expect({ ...versionsIn('For development'), ...manifest.peerDependencies }).toEqual(manifest.devDependencies)
  })

  it('have a reason each', () => {
    const rows = ['At run time', 'Beside it', 'For development'].flatMap(documented)
    expect(rows.filter(([, , why]) => why.trim().length < 5)).toEqual([])
  })

  it('are pinned exactly, and locked at that version', () => {
    const pinned = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(pinned.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
    expect(pinned.filter(([name, version]) => lock.packages[`node_modules/${name}`]?.version !== version)).toEqual([])
  })

  it('are at most fifteen at run time', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(15)
  })

  it('force no driver on anybody who does not configure it', () => {
    const optional = Object.entries(manifest.peerDependenciesMeta).filter(([, { optional: is }]) => is === true)
    expect(optional.map(([name]) => name)).toEqual(Object.keys(manifest.peerDependencies))
  })

  it('run no install script that is not allowed by name', () => {
    const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript === true)
    expect(scripted.map(([place]) => nameOf(place)).filter((name) => manifest.allowScripts[name] !== true)).toEqual([])
  })
})
