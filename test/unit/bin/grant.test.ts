import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GrantRequest } from '../../../src/control/request.ts'
import { cli } from '../../support/cli.ts'
import { openTestGateway, recordsIn, type TestGateway } from '../../support/gateway.ts'

const data = mkdtempSync(join(tmpdir(), 'sluicegate-grant-'))
afterAll(() => rmSync(data, { recursive: true, force: true }))

const asking = [
  'grant request --principal agent:release --tenant acme --scope flags.write:prod --reason hotfix-1234 --by ana'.split(
    ' ',
  ),
].flat()
const json = (out: string) => JSON.parse(out.trim().split('\n').at(-1) ?? '{}') as GrantRequest

describe('sluicegate grant, with a gateway', () => {
  let gate: TestGateway
  beforeAll(async () => {
    gate = await openTestGateway({ data, over: { principals: [{ principal: 'agent:release', deny: ['crm.write'] }] } })
  })
  afterAll(() => gate.close())
  const run = (...args: string[]) => cli(...args, '--data', data, '--admin', gate.admin)
  const asked = async (...more: string[]) => json((await run(...asking, '--json', ...more)).stdout)

  it('takes a right from denial to an allowed call, by way of another person', async () => {
    const as = { grants: ['orders.read', 'flags.write:staging'] }
    const call = (idemKey: string) =>
      gate.call('flag.set', { name: 'checkout', env: 'prod', rolloutPct: 5, idemKey }, { as })
    expect((await call('5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1a01')).ended).toBe('scope_missing')
    const { id, state } = await asked()
    expect(state).toBe('pending')
    expect((await call('5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1a02')).structured).toMatchObject({
      denied: { code: 'scope_missing', elevate: { request: id, scopes: ['flags.write:prod'] } },
    })
    expect((await run('grant', 'approve', id, '--approver', 'carla')).stdout).toMatch(/^Approved gr-\w+ {2}granted/)
    expect((await call('5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1a03')).ended).toBe('ok')
    await run('grant', 'deny', id, '--approver', 'carla', '--reason', 'over')
    expect((await call('5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1a04')).ended).toBe('scope_missing')
  })

  it('refuses with exit code 1 who asked, whom it is for, and what was decided', async () => {
    const { id } = await asked()
    for (const name of ['ana', 'agent:release', 'Release'])
      expect(await run('grant', 'approve', id, '--approver', name)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/another person/) as string,
      })
    expect((await run('grant', 'deny', id, '--approver', 'carla')).code).toBe(0)
    expect(await run('grant', 'approve', id, '--approver', 'carla')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/denied already/) as string,
    })
    expect(await run('grant', 'approve', 'gr-none', '--approver', 'carla')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no request/) as string,
    })
  })

  it('refuses the same over the API, whatever the command would have let through', async () => {
    const { id } = await asked()
    const post = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${gate.adminToken}`, 'content-type': 'application/json' }
      const response = await fetch(`${gate.admin}/api/v1/grants${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      return response.status
    }
    expect(await post(`/${id}/approve`, { approver: 'ana' })).toBe(409)
    expect(await post(`/${id}/approve`, { approver: 'agent:release' })).toBe(409)
    expect(await post(`/${id}/approve`, {})).toBe(400)
    expect(await post(`/${id}/approve`, { approver: 'carla', as: 'root' })).toBe(400)
    expect(await post(`/nobody/approve`, { approver: 'carla' })).toBe(404)
    expect(
      await post('', { principal: 'agent:x', tenant: 'acme', scopes: ['*'], reason: 'r', requestedBy: 'ana' }),
    ).toBe(400)
    expect(await post(`/${id}/approve`, { approver: 'carla' })).toBe(200)
    expect((await fetch(`${gate.admin}/api/v1/grants`)).status).toBe(401)
  })

  it('refuses scopes that do not exist, that are denied, and wildcards', async () => {
    const scope = (...scopes: string[]) =>
      run(
        ...asking
          .filter((word) => word !== 'flags.write:prod')
          .flatMap((word) => (word === '--scope' ? ['--scope', ...scopes] : [word])),
      )
    expect(await scope('flags.write:prd')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/did you mean 'flags.write:prod'/) as string,
    })
    expect(await scope('crm.write')).toMatchObject({ code: 1, stderr: expect.stringMatching(/deny list/) as string })
    expect(await scope('flags.*')).toMatchObject({ code: 3, stderr: expect.stringMatching(/wildcard/) as string })
    expect(await run(...asking, '--ttl', '30000')).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/at most 28800/) as string,
    })
  })

  it('lists what waits and what is granted, and shows one', async () => {
    const { id } = await asked('--ticket', 'CHG-7')
    expect((await run('grant', 'list')).stdout).toMatch(
      new RegExp(`${id} {2}pending {2}flags.write:prod \\(ticket CHG-7\\)`),
    )
    expect(JSON.parse((await run('grant', 'list', '--json')).stdout)).toHaveProperty('grants')
    expect((await run('grant', 'show', id, '--json')).stdout).toContain(id)
    expect((await run('grant', 'show', 'gr-none')).code).toBe(3)
  })

  it('leaves every step in the evidence of the tenant', async () => {
    const steps = (await gate.records()).filter(({ type }) => type.startsWith('grant.') && type !== 'grant.issue')
    expect(new Set(steps.map(({ type }) => type))).toEqual(new Set(['grant.request', 'grant.approve', 'grant.deny']))
    expect(new Set(steps.map(({ tenant }) => tenant))).toEqual(new Set(['acme']))
  })
})

describe('sluicegate grant, without a gateway', () => {
  it('decides in the data directory, and the gateway knows from its start on', async () => {
    const run = (...args: string[]) => cli(...args, '--data', data)
    const { id } = json((await run(...asking, '--json')).stdout)
    expect(await run('grant', 'approve', id, '--approver', 'ana')).toMatchObject({ code: 1 })
    expect(await run('grant', 'approve', id, '--approver', 'carla')).toMatchObject({ code: 0 })
    expect((await run('grant', 'list')).stdout).toContain(`${id}  granted`)
    expect(await run(...asking.map((word) => (word === 'flags.write:prod' ? 'flags.write:prd' : word)))).toMatchObject({
      code: 1,
    })
    await using gate = await openTestGateway({ data })
    const as = { grants: ['orders.read'] }
    const args = { name: 'checkout', env: 'prod', rolloutPct: 5, idemKey: '5cd87f4a-2b4c-4a6e-9f0f-5d6e1e5b1a09' }
    expect((await gate.call('flag.set', args, { as })).ended).toBe('ok')
    const steps = (await recordsIn(data)).filter(({ ext }) => ext?.['grantId'] === id)
    expect(steps.map(({ type }) => type)).toEqual(['grant.request', 'grant.approve'])
  })

  it('says what is missing in one sentence', async () => {
    expect(await cli('grant', 'list', '--data', join(data, 'none'))).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/no data directory/) as string,
    })
    expect(await cli('grant', 'request', '--data', data)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/required option/) as string,
    })
  })
})

describe('an elevation that configuration asks for', () => {
  const request = JSON.parse(
    readFileSync(new URL('../../golden/documents/engineering-elevation.json', import.meta.url), 'utf8'),
  ) as {
    readonly approver: string
  }
  const set = (gate: TestGateway) => {
    const idemKey = randomUUID()
    const args = { name: 'checkout', env: 'prod', rolloutPct: 5, idemKey }
    return gate.call('flag.set', args, { as: { sub: 'agent:release', grants: ['orders.read'] } })
  }

  it('waits, as the document has it, for the person it names, in each tenant', async () => {
    await using gate = await openTestGateway({ over: { principals: [request] } })
    const { grants } = gate.started.gateway
    const asked = await grants.list()
    expect(asked.map(({ tenant, state }) => [tenant, state]).toSorted()).toEqual([
      ['acme', 'pending'],
      ['globex', 'pending'],
      ['initech', 'pending'],
      ['local', 'pending'],
    ])
    expect(asked[0]).toMatchObject({
      principal: 'agent:release',
      reason: 'hotfix-1234',
      ttlMs: 900_000,
      requestedBy: 'configuration',
    })
    expect((await set(gate)).ended).toBe('scope_missing')
    const acme = asked.find(({ tenant }) => tenant === 'acme')?.id ?? ''
    await expect(grants.approve(acme, { by: 'carla' })).rejects.toThrow(/only oncall-sre/)
    await grants.approve(acme, { by: request.approver })
    expect((await set(gate)).ended).toBe('ok')
  })

  it('is bound to the one tenant it names, and refused for a scope there is not', async () => {
    await using gate = await openTestGateway({ over: { principals: [{ ...request, tenant: 'acme' }] } })
    expect((await gate.started.gateway.grants.list()).map(({ tenant }) => tenant)).toEqual(['acme'])
    await expect(
      openTestGateway({ over: { principals: [{ ...request, request: 'flags.write:prd' }] } }),
    ).rejects.toThrow(/there is no scope 'flags.write:prd'; did you mean 'flags.write:prod'/)
  })
})
