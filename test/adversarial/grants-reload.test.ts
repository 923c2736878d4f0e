import { randomUUID } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-grants-reload-'))
const file = join(folder, 'sluicegate.yaml')

interface Version {
  readonly deny?: string
  readonly asks?: boolean
  readonly reason?: string
}

function configuration({ deny = '', asks = false, reason = 'look first' }: Version): string {
  const request =
    '  - { principal: "agent:release", request: "flags.write:prod", reason: r, approver: carla, ttlSeconds: 600 }\n'
  return `
mode: development
auth: { tenants: { acme: { home: US } } }
services: builtin
policies: [builtin, { rule: ask-first, when: { tool: flag.set, args.env: staging }, decision: require_approval, reason: ${reason} }]
alerts: { sinks: [] }
principals:
  - { principal: "agent:release", deny: [${deny}] }
${asks ? request : ''}`
}

function write(version: Version): void {
  writeFileSync(`${file}.new`, configuration(version))
  renameSync(`${file}.new`, file)
}

let gate: TestGateway
beforeAll(async () => {
  write({})
  gate = await openTestGateway({ file, data: join(folder, 'data') })
})
afterAll(async () => {
  await gate.close()
  rmSync(folder, { recursive: true, force: true })
})

async function reloadTo(version: Version): Promise<void> {
  write(version)
  expect((await gate.started.reloads?.reload())?.kind).not.toBe('refused')
}

const set = async (env: string, grants = ['orders.read']) => {
  const args = { name: 'checkout', env, rolloutPct: 5, idemKey: randomUUID() }
  return (await gate.call('flag.set', args, { as: { grants } })).ended
}

describe('a reload', () => {
  it('opens what the new configuration asks for, and takes what it denies from an elevation at once', async () => {
    const { grants } = gate.started.gateway
    expect(await grants.list()).toEqual([])
    await reloadTo({ asks: true })
    await until(async () => (await grants.list()).length > 0, 'the request')
    expect((await grants.list()).map(({ state }) => state)).toEqual(['pending'])
    const [{ id } = { id: '' }] = await grants.list()
    await grants.approve(id, { by: 'carla' })
    expect(await set('prod')).toBe('ok')
    await reloadTo({ asks: true, deny: 'flags.write:prod' })
    expect(await set('prod')).toBe('scope_missing')
    await reloadTo({ asks: true })
    expect(await set('prod')).toBe('ok')
    expect(await grants.list()).toHaveLength(1)
  })

  it('of the policy takes approvals that were given under the other for nothing', async () => {
    const { grants } = gate.started.gateway
    const waiting = async () =>
      (await grants.list()).filter(({ what, state }) => what.kind === 'call' && state === 'pending')
    expect(await set('staging', ['flags.write:staging'])).toBe('approval_required')
    const [{ id } = { id: '' }] = await waiting()
    await grants.approve(id, { by: 'carla' })
    await reloadTo({ asks: true, reason: 'look twice' })
    expect(await set('staging', ['flags.write:staging'])).toBe('approval_required')
    expect(await waiting()).toHaveLength(1)
  })

  it('and an approval at once both hold, whichever comes first', async () => {
    const { grants } = gate.started.gateway
    for (let round = 0; round < 6; round++) {
      const asked = { principal: 'agent:release', tenant: 'acme', scopes: ['flags.write:dev'], reason: 'r' }
      const { id } = await grants.request({ ...asked, requestedBy: 'ben', ttlSeconds: 600 })
      write({ reason: `look ${round} times` })
      const both: (() => Promise<unknown>)[] = [
        async () => gate.started.reloads?.reload(),
        () => grants.approve(id, { by: 'carla' }),
      ]
      await Promise.all((round % 2 === 0 ? both : both.toReversed()).map((one) => one()))
      expect(gate.started.reloads?.state().refused).toBeUndefined()
      expect(await set('dev')).toBe('ok')
      await grants.deny(id, { by: 'carla' })
      expect(await set('dev')).toBe('scope_missing')
    }
  })
})
