import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { authority, pairFiles, type Asked } from '../../support/certificates.ts'
import { cli } from '../../support/cli.ts'

const home = mkdtempSync(join(tmpdir(), 'sluicegate-check-'))
afterAll(() => rmSync(home, { recursive: true }))

const root = authority('test authority')

/** A configuration with a pair at a listener and one towards a service, in a folder of its own. */
function place() {
  const folder = mkdtempSync(join(home, 'x-'))
  writeFileSync(join(folder, 'ca.crt'), root.cert)
  pairFiles(folder, root.issue('gate'), 'gate')
  pairFiles(folder, root.issue('client'), 'client')
  const file = join(folder, 'sluicegate.yaml')
  writeFileSync(
    file,
    `mode: development
listen:
  tls: { cert: gate.crt, key: gate.key }
services:
  orders:
    regions: { us-east: 'https://orders.example' }
    tls: { ca: ca.crt, cert: client.crt, key: client.key }
`,
  )
  const replace = (name: string, asked: Asked) => pairFiles(folder, root.issue(name, asked), name)
  return { folder, file, replace }
}

describe('config check', () => {
  it('opens policies and detections as a start would, and reports their problems with their place', async () => {
    const folder = mkdtempSync(join(home, 'x-'))
    const file = join(folder, 'sluicegate.yaml')
    writeFileSync(join(folder, 'broken.yml'), 'rule: x\nnonsense: 1\n')
    writeFileSync(
      file,
      'mode: development\ndetector: { rules: [builtin, broken.yml], stages: { rules: { no_such: enforce } } }\n',
    )
    const broken = await cli('config', 'check', file)
    expect(broken.code).toBe(3)
    expect(broken.stderr).toMatch(/broken\.yml:\d+: .*nonsense/)
    writeFileSync(file, 'mode: development\ndetector: { stages: { rules: { no_such: enforce } } }\n')
    const stray = await cli('config', 'check', file, '--json')
    expect(stray.code).toBe(3)
    expect(stray.stdout).toContain("There is no detection 'no_such'")
  })

  it('finds nothing wrong with pairs that may be used', async () => {
    const { file } = place()
    expect(await cli('config', 'check', file)).toMatchObject({ code: 0, stderr: '' })
  })

  it.each<[string, (at: ReturnType<typeof place>) => unknown, number, RegExp]>([
    [
      'a key of another certificate',
      ({ folder }) => writeFileSync(join(folder, 'gate.key'), root.issue('x').key),
      3,
      /does not belong/,
    ],
    ['a certificate that is over', ({ replace }) => replace('gate', { fromDays: -9, toDays: -1 }), 3, /It expired/],
    [
      'one that is no certificate',
      ({ folder }) => writeFileSync(join(folder, 'gate.crt'), 'x'),
      3,
      /no PEM certificate/,
    ],
    [
      'a key that is not there',
      ({ folder }) => rmSync(join(folder, 'gate.key')),
      3,
      /gate\.key cannot be read \(ENOENT\)/,
    ],
    [
      'a client’s certificate that is for servers',
      ({ replace }) => replace('client', { use: ['server'] }),
      7,
      /not for a client/,
    ],
    [
      'an authority that is none',
      ({ folder }) => writeFileSync(join(folder, 'ca.crt'), root.issue('x').cert),
      7,
      /is no authority/,
    ],
  ])('reports %s, with its line, its files and what to do', async (_what, spoil, line, sentence) => {
    const at = place()
    spoil(at)
    const { code, stderr } = await cli('config', 'check', at.file)
    expect(code).toBe(3)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toContain(`sluicegate.yaml:${line}: The certificate of ${line === 3 ? 'listen' : 'services.orders'}`)
    expect(stderr).toMatch(sentence)
    expect(stderr).toMatch(/Renew or mend .*(gate|client)\.crt.*\.\n$/)
  })

  it('warns of a pair that should be renewed soon', async () => {
    const { file, replace } = place()
    replace('gate', { toDays: 5 })
    const { code, stdout } = await cli('config', 'check', file)
    expect([code, stdout]).toEqual([0, expect.stringMatching(/sluicegate\.yaml:3: The certificate of listen: .*expires.*\(warning\)/)]) // prettier-ignore
  })
})
