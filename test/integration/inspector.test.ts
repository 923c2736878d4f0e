import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/clock-system.ts'
import { nodeFiles } from '../../src/adapters/files.ts'
import { openIssuerKey } from '../../src/adapters/issuer-key-file.ts'
import { developmentIssuer } from '../../src/identity/issuer.ts'
import { npx } from '../../scripts/npx.ts'
import { fixtureGateway, type FixtureGateway } from '../support/fixture-gateway.ts'

/** The MCP Inspector, as anyone would run it. */
const inspector = '@modelcontextprotocol/inspector@2.12.0'

const eras = ['modern', 'legacy']

interface Shown {
  /** 0, 5 when the result is an error, 6 when `--strict` objects to a schema. */
  readonly code: number
  readonly result: {
    readonly tools?: readonly { readonly name: string }[]
    readonly structuredContent?: unknown
    readonly isError?: boolean
  }
}

async function inspect(target: readonly string[], asked: readonly string[]): Promise<Shown> {
  const { code, stdout, stderr } = await npx(inspector, ['--cli', ...target, '--format', 'json', ...asked])
  if (!stdout.startsWith('{')) throw new Error(`The Inspector showed no result (exit ${code}): ${stderr.slice(-2000)}`)
  return { code, ...(JSON.parse(stdout) as Omit<Shown, 'code'>) }
}

const list = ['--method', 'tools/list', '--strict']
const call = (name: string, args: object) => [
  '--method',
  'tools/call',
  '--tool-name',
  name,
  '--tool-args-json',
  JSON.stringify(args),
]
const oneDay = call('orders.export', { from: '2025-09-01', to: '2025-09-01' })
const maskedDay = {
  range: { from: '2025-09-01', to: '2025-09-01' },
  rows: expect.arrayContaining([expect.objectContaining({ email: '***@***', phone: '***-***' })]) as unknown,
}
const unknownField = call('orders.export', { from: '2025-09-01', to: '2025-09-01', limit: 5 })
const refusedField = { denied: expect.objectContaining({ code: 'invalid_arguments', field: 'limit' }) as unknown }

describe.each(eras)('the Inspector over HTTP, %s era', (era) => {
  let gateway: FixtureGateway
  beforeAll(async () => {
    gateway = await fixtureGateway()
  })
  afterAll(() => gateway.close())

  const options = ['--transport', 'http', '--protocol-era', era, '--stored-auth-only']
  const target = () => [gateway.mcp, ...options, '--header', `Authorization: Bearer ${gateway.token()}`]

  it('lists the tools that the token may see, and finds no fault in their schemas', async () => {
    const { code, result } = await inspect(target(), list)
    expect(code).toBe(0)
    const names = result.tools?.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['orders.export', 'flag.set']))
    expect(names).not.toContain('crm.bulk_update')
  })

  it('calls a tool and gets contacts masked', async () => {
    expect(await inspect(target(), oneDay)).toMatchObject({ code: 0, result: { structuredContent: maskedDay } })
  })

  it('is told which field no tool has', async () => {
    const refused = await inspect(target(), unknownField)
    expect(refused).toMatchObject({ code: 5, result: { isError: true, structuredContent: refusedField } })
  })
})

describe.each(eras)('the Inspector over stdio, %s era', (era) => {
  const data = mkdtempSync(join(tmpdir(), 'sluicegate-inspector-'))
  const tokenFile = join(data, 'token')
  const program = fileURLToPath(new URL('../../src/bin/sluicegate.ts', import.meta.url))
  const server = [process.execPath, program, 'serve', '--stdio', '--data', data, '--token-file', tokenFile]
  const target = [...server, '--protocol-era', era]

  beforeAll(async () => {
    const key = await openIssuerKey(nodeFiles(), data)
    const issuer = developmentIssuer({ key, clock: systemClock(), mode: 'development' })
    const scopes = ['orders.read', 'flags.write:staging']
    writeFileSync(tokenFile, issuer.issue({ sub: 'agent:inspector', tenant: 'globex', scopes, ttlSec: 600 }))
  })
  afterAll(() => rmSync(data, { recursive: true, force: true }))

  it('lists the tools that the token may see, and finds no fault in their schemas', async () => {
    const { code, result } = await inspect(target, list)
    expect(code).toBe(0)
    expect(result.tools?.map(({ name }) => name).sort()).toEqual(['flag.set', 'orders.export'])
  })

  it('calls a tool and gets contacts masked', async () => {
    expect(await inspect(target, oneDay)).toMatchObject({ code: 0, result: { structuredContent: maskedDay } })
  })

  it('is told which field no tool has', async () => {
    const refused = await inspect(target, unknownField)
    expect(refused).toMatchObject({ code: 5, result: { isError: true, structuredContent: refusedField } })
  })
})
