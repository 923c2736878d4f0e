import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { built, buildVault } from '../../../scripts/vault-build.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-vault-build-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Stands for Go: writes down what it is asked, and fails at what `GO_FAILS` names. */
const standIn = `#!/bin/sh
echo "$*" >>"$GO_ASKED"
for what in $GO_FAILS; do [ "$1" = "$what" ] && exit 1; done
[ "$1" = build ] && cat main.go >"$5"
exit 0
`

let benches = 0
function bench() {
  const at = join(folder, String((benches += 1)))
  for (const name of ['source', 'bin']) mkdirSync(join(at, name), { recursive: true })
  const [source, target, asked] = [join(at, 'source'), join(at, 'target'), join(at, 'asked')]
  writeFileSync(join(source, 'main.go'), 'one')
  writeFileSync(join(source, 'go.mod'), 'module one')
  writeFileSync(join(at, 'bin', 'go'), standIn, { mode: 0o755 })
  const run = (fails = '', path = `${join(at, 'bin')}:/usr/bin:/bin`) => {
    writeFileSync(asked, '')
    const said: string[] = []
    const environment = { PATH: path, GO_ASKED: asked, GO_FAILS: fails }
    const code = buildVault({ source, target, environment, say: (line) => void said.push(line) })
    const steps = readFileSync(asked, 'utf8').split('\n').flatMap((line) => line.split(' ')[0] || []) // prettier-ignore
    return { code, said: said.at(-1), steps }
  }
  const server = join(target, 'vault-server')
  return { run, write: (name: string, text: string) => writeFileSync(join(source, name), text), server, at }
}

describe.skipIf(process.platform === 'win32')('building the Vault server of the tests', () => {
  it('is done once, and again when a source changes', () => {
    const { run, write, server } = bench()
    expect(run()).toMatchObject({ code: built.there, steps: ['version', 'list', 'build'] })
    expect(readFileSync(server, 'utf8')).toBe('one')
    expect(run()).toMatchObject({ code: built.there, steps: [] })
    write('main.go', 'two')
    expect(run()).toMatchObject({ code: built.there, steps: ['version', 'list', 'build'] })
    expect(readFileSync(server, 'utf8')).toBe('two')
    write('go.mod', 'module two')
    expect(run().steps).toContain('build')
  })

  it('is done again when it is not known what the server there was built from', () => {
    const { run, server, at } = bench()
    mkdirSync(join(at, 'target'))
    writeFileSync(server, 'of unknown sources')
    expect(run().steps).toContain('build')
    expect(readFileSync(server, 'utf8')).toBe('one')
  })

  it('is nobody’s fault without Go, or where no module can be fetched', () => {
    const { run, at } = bench()
    expect(run('', join(at, 'nothing'))).toMatchObject({ code: built.absent, said: expect.stringContaining('Go is not on the path') }) // prettier-ignore
    expect(run('list mod')).toMatchObject({ code: built.absent, steps: ['version', 'list', 'mod'], said: expect.stringContaining('no module proxy') }) // prettier-ignore
  })

  it('fails when the sources are at fault', () => {
    const { run } = bench()
    expect(run('list')).toMatchObject({ code: built.failed, steps: ['version', 'list', 'mod'] })
    expect(run('build')).toMatchObject({ code: built.failed, said: 'The build failed.' })
  })

  it('leaves no server of other sources behind, however it ends', () => {
    for (const fails of ['version', 'list', 'list mod', 'build']) {
      const { run, write, server } = bench()
      run()
      write('main.go', 'two')
      expect(run(fails).code).not.toBe(built.there)
      expect(existsSync(server)).toBe(false)
    }
  })
})
