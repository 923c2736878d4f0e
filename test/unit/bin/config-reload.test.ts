import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cli } from '../../support/cli.ts'
import { openTestGateway, type TestGateway } from '../../support/gateway.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-config-reload-'))
const file = join(folder, 'sluicegate.yaml')
const configuration = (more = '') =>
  `mode: development\nauth: { tenants: { acme: { home: US } } }\nservices: builtin\nalerts: { sinks: [] }\n${more}`

let gate: TestGateway
beforeAll(async () => {
  writeFileSync(file, configuration())
  gate = await openTestGateway({ file })
})
afterAll(async () => {
  await gate.close()
  rmSync(folder, { recursive: true })
})

const reload = (...more: readonly string[]) =>
  cli('config', 'reload', '--data', gate.data, '--admin', gate.admin, ...more)
const inForce = () => gate.started.reloads?.state().digest ?? ''

describe('config reload', () => {
  it('puts what the files say in force, and says which it is', async () => {
    const before = inForce()
    writeFileSync(file, configuration('limits: { tenants: { acme: { rpm: 7 } } }\n'))
    const { code, stdout, stderr } = await reload()
    expect(inForce()).not.toBe(before)
    // The file may have been noticed meanwhile: then there is nothing left to change.
    expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/in force/i), ''])
    expect(stdout).toContain(inForce().slice(0, 16))
  })

  it('says that nothing has changed', async () => {
    const { code, stdout } = await reload('--json')
    expect([code, JSON.parse(stdout)]).toEqual([0, { kind: 'unchanged', digest: inForce() }])
  })

  it('exits 3 with every problem when the change is refused, and the old one stays in force', async () => {
    const before = inForce()
    writeFileSync(file, configuration('colour: red\nsize: 3\n'))
    const told = await reload()
    expect([told.code, told.stdout]).toEqual([3, expect.stringMatching(/^Refused: .*the old configuration stays/)])
    expect(told.stderr.split('\n')).toEqual([
      expect.stringMatching(/sluicegate\.yaml:5: .*colour/),
      expect.stringMatching(/sluicegate\.yaml:6: .*size/),
      '',
    ])
    const asJson = await reload('--json')
    expect([asJson.code, JSON.parse(asJson.stdout)]).toMatchObject([3, { kind: 'refused', problems: [/colour/, /size/].map((part) => expect.stringMatching(part)) }]) // prettier-ignore
    expect([inForce(), asJson.stderr]).toEqual([before, ''])
  })

  it('says so where no gateway runs, and where there is no file to read again', async () => {
    const away = await cli('config', 'reload', '--data', folder)
    expect([away.code, away.stderr]).toEqual([3, expect.stringMatching(/No gateway runs on .*--admin/)])
    await using other = await openTestGateway()
    const fileless = await cli('config', 'reload', '--data', other.data, '--admin', other.admin)
    expect([fileless.code, fileless.stderr]).toEqual([3, expect.stringContaining('without a configuration file')])
  })
})
