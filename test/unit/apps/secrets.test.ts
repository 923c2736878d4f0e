import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { kept } from '../../../src/apps/kept.ts'
import { secretsOf } from '../../../src/apps/secrets.ts'
import type { Config } from '../../../src/config/schema.ts'
import { fakeVault } from '../../support/vault.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-versions-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const patience = { timeout: 30_000, interval: 5 }

/** A gateway's secrets, version after version, with a Vault that is asked all the time. */
async function bench() {
  const vault = await fakeVault()
  const file = join(folder, 'token')
  writeFileSync(file, await vault.token('*'), { mode: 0o600 })
  const section = { url: vault.url, token: { from: 'file', path: file }, refreshSeconds: 0.02, holdSeconds: 60, renew: true } // prettier-ignore
  const config = { mode: 'development', secrets: { provider: 'vault', rotationDays: 60, vault: section } } as Config
  const things = kept()

  /** Opens these names as a version of the configuration would. */
  async function version(...names: readonly string[]) {
    const round = things.round()
    const secrets = await secretsOf(config, { environment: {}, report: () => undefined, keep: round.keep })
    const opened = names.map((name) => secrets.open(name, { from: 'vault', path: `secret/${name}`, field: 'value' }))
    return { round, secrets, opened: await Promise.all(opened) }
  }

  const reads = (since: number) => vault.asked.slice(since).flatMap((one) => /\/data\/(\w+)$/.exec(one)?.[1] ?? [])

  /** What is read in rounds that begin from now on. */
  async function readNow(marker: string) {
    const seen = async (since: number, count: number) =>
      vi.waitFor(() => expect(reads(since).filter((one) => one === marker).length).toBeGreaterThan(count), patience)
    // The round under way may have begun before; the next one has not.
    await turn()
    await seen(vault.asked.length, 1)
    const since = vault.asked.length
    await seen(since, 2)
    return [...new Set(reads(since))].sort()
  }

  for (const name of ['a', 'b', 'c']) await vault.put(`secret/${name}`, { value: `value-${name}` })
  return { vault, version, readNow, close: () => things.close().then(() => vault.close()) }
}

describe('the secrets of a configuration that is reloaded', () => {
  it('are read from Vault as long as the version in force names them, and those of no other', async () => {
    const { version, readNow, close } = await bench()
    const first = await version('a', 'b')
    first.round.commit()
    expect(await readNow('b')).toEqual(['a', 'b'])
    const second = await version('b', 'c')
    expect(second.opened[0]).toBe(first.opened[1])
    second.round.commit()
    expect(await readNow('b')).toEqual(['b', 'c'])
    expect(second.secrets.list().map(({ name }) => name)).toEqual(['secrets.vault.token', 'b', 'c'])
    // A call that began before the reload ends with what it began with.
    expect(first.opened.map((one) => one.current())).toEqual(['value-a', 'value-b'])
    await close()
  })

  it('are forgotten with a version that is refused, also one that was still opening them', async () => {
    const { vault, version, readNow, close } = await bench()
    const first = await version('b')
    first.round.commit()
    const refused = await version('a')
    const late = refused.secrets.open('c', { from: 'vault', path: 'secret/c', field: 'value' })
    refused.round.abandon()
    await late
    expect(await readNow('b')).toEqual(['b'])
    await vault.put('secret/b', { value: 'newer' })
    await vi.waitFor(() => expect(first.opened[0]?.current()).toBe('newer'), patience)
    await close()
  })

  it('stay the same through a reload that changes nothing', async () => {
    const { version, readNow, close } = await bench()
    const first = await version('a')
    first.round.commit()
    for (let n = 0; n < 3; n++) {
      const next = await version('a')
      next.round.commit()
      expect(next.opened).toEqual(first.opened)
    }
    expect(await readNow('a')).toEqual(['a'])
    expect(first.secrets.list().map(({ name }) => name)).toEqual(['secrets.vault.token', 'a'])
    await close()
  })
})
