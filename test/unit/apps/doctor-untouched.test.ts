import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sqliteState } from '../../../src/adapters/state-sqlite.ts'
import { stateSchemaVersion } from '../../../src/adapters/state-sqlite-schema.ts'
import type { Check } from '../../../src/apps/doctor.ts'
import { canary, doctorBench, namesOf, type DoctorBench } from '../../support/doctor-place.ts'
import { fakeVault } from '../../support/vault.ts'

let bench: DoctorBench
beforeAll(async () => {
  bench = await doctorBench()
})
afterAll(() => bench[Symbol.asyncDispose]())

/** Every file of a folder, with what it holds. */
function contents(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return new Map(
    names
      .map((name) => [name, join(folder, name)] as const)
      .map(([name, file]) => [name, statSync(file).isFile() ? readFileSync(file, 'base64') : 'folder']),
  )
}

const stateOf = (checks: readonly Check[]) => checks.find(({ name }) => name === 'state')
const schemaIs = (file: string, version?: number): number => {
  const db = new DatabaseSync(file)
  if (version !== undefined) db.exec(`PRAGMA user_version = ${version}`)
  const { user_version: found } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  db.close()
  return found
}

describe('doctor changes nothing', () => {
  it('in a folder that it looks at: not one byte, and no file more', async () => {
    const folder = bench.place()
    const before = contents(folder)
    expect(namesOf(await bench.look(folder), 'bad')).toEqual([])
    expect(contents(folder)).toEqual(before)
  })

  it('of an older state: it says that the next start brings it up to date, and leaves that to the start', async () => {
    const folder = bench.place()
    const file = join(folder, 'data', 'state.db')
    schemaIs(file, stateSchemaVersion - 1)
    const before = contents(folder)
    expect(stateOf(await bench.look(folder))).toMatchObject({
      state: 'warn',
      detail: `${file} has schema ${stateSchemaVersion - 1}; the next start brings it to ${stateSchemaVersion}.`,
    })
    expect(contents(folder)).toEqual(before)
  })

  it('of a state that a gateway is writing', async () => {
    const folder = bench.place()
    const file = join(folder, 'data', 'state.db')
    const state = sqliteState({ file })
    await state.remember('a key', 'somebody', Date.now() + 3_600_000, Date.now())
    const rows = () => {
      const db = new DatabaseSync(file, { readOnly: true })
      const { n } = db.prepare('SELECT count(*) AS n FROM remembered').get() as { n: number }
      db.close()
      return n
    }
    const before = rows()
    expect(stateOf(await bench.look(folder))).toMatchObject({ state: 'ok' })
    expect(rows()).toBe(before)
    await state.close()
  })

  it.each<[string, (file: string) => void, RegExp]>([
    ['comes from a newer release', (file) => schemaIs(file, stateSchemaVersion + 1), /newer release/],
    ['is no database', (file) => writeFileSync(file, 'x'.repeat(8_192)), /cannot be used/],
    ['is damaged inside', damage, /is damaged|cannot be used/],
  ])('and calls a state bad that %s', async (_what, spoil, detail) => {
    const folder = bench.place()
    spoil(join(folder, 'data', 'state.db'))
    const found = stateOf(await bench.look(folder))
    expect([found?.state, found?.detail]).toEqual(['bad', expect.stringMatching(detail)])
  })

  // Root may write everything.
  it.skipIf(process.getuid?.() === 0)('and calls a state bad that it may not write', async () => {
    const folder = bench.place()
    chmodSync(join(folder, 'data', 'state.db'), 0o400)
    const found = stateOf(await bench.look(folder))
    expect([found?.state, found?.detail]).toEqual(['bad', expect.stringContaining('EACCES')])
  })
})

/** Overwrites every page but the first, where the schema is. */
function damage(file: string): void {
  const bytes = readFileSync(file)
  bytes.fill(0x5a, 4_096)
  writeFileSync(file, bytes)
}

describe('doctor at a Vault with an AppRole', () => {
  it('logs in once for all of its looks, and gives the token back', async () => {
    const vault = await fakeVault()
    await vault.put('secret/orders', { token: canary })
    await vault.put('secret/tickets', { token: canary })
    const { roleId, secretId } = await vault.appRole('*')
    const folder = bench.place()
    for (const [name, text] of Object.entries({ role: roleId, secret: secretId }))
      writeFileSync(join(folder, `${name}.id`), text, { mode: 0o600 })
    const file = join(folder, 'sluicegate.yaml')
    const text = readFileSync(file, 'utf8')
      .replace('file:orders.secret', 'vault:secret/orders#token')
      .replace('file: tickets.yaml', `url: '${bench.url}/tickets', token: 'vault:secret/tickets#token'`)
    const login = `appRole: { roleId: 'file:role.id', secretId: 'file:secret.id' }`
    writeFileSync(file, `${text}secrets: { provider: vault, vault: { url: '${vault.url}', ${login} } }\n`)
    // The register answers 404, which is asked for with the secret and is the only thing that is bad.
    expect(namesOf(await bench.look(folder), 'bad')).toEqual(['tickets'])
    expect(vault.asked.filter((line) => line.includes('/login'))).toHaveLength(1)
    expect(vault.alive()).toBe(0)
    await vault.seal?.()
    const before = vault.asked.length
    expect(namesOf(await bench.look(folder), 'bad')).toEqual(['secrets'])
    expect(vault.asked.slice(before).filter((line) => line.includes('/login'))).toHaveLength(1)
    await vault.close()
  })
})
