import { randomUUID } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run, type Run } from '../support/child.ts'
import { issue, issuerOf, recordsIn, type Caller } from '../support/gateway.ts'
import { deniedCodeIn, initialize, legacyCall, type Message } from '../support/wire.ts'

/* A stdio connection outlives its token. Whoever can write the token file may renew it; nobody becomes somebody else by it. */

let data: string
let server: Run
let give: (caller: Caller) => Promise<void>

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'sluicegate-rotated-token-'))
  const file = join(data, 'agent.token')
  const issuer = await issuerOf(data)
  give = async (caller) => {
    writeFileSync(`${file}.new`, issue(issuer, caller))
    renameSync(`${file}.new`, file)
    await after(1_100) // looked at once a second
  }
  await give({ grants: ['flags.write:dev'] })
  server = run(['serve', '--stdio', '--data', data, '--token-file', file])
  say(initialize)
  await reply(0)
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(data, { recursive: true, force: true })
})

const say = (message: object) => server.process.stdin.write(`${JSON.stringify(message)}\n`)
const reply = async (id: unknown): Promise<Message> =>
  JSON.parse(await server.line('stdout', (line) => (JSON.parse(line) as Message).id === id)) as Message

async function write(env: string): Promise<string | undefined> {
  const id = randomUUID()
  say(legacyCall('flag.set', { name: 'rotated', env, rolloutPct: 5, idemKey: randomUUID() }, id))
  return deniedCodeIn(await reply(id))
}

async function tools(): Promise<readonly string[]> {
  const id = randomUUID()
  say({ jsonrpc: '2.0', id, method: 'tools/list' })
  return ((await reply(id)).result?.tools ?? []).map(({ name }) => name)
}

describe('a token that is renewed while its stdio connection is open', () => {
  it('counts from the next call on, with the rights it carries', async () => {
    expect(await write('dev')).toBeUndefined()
    expect(await write('staging')).toBe('scope_missing')
    await give({ grants: ['flags.write:staging', 'orders.read'] })
    expect(await tools()).toEqual(['orders.export', 'flag.set'])
    expect(await write('staging')).toBeUndefined()
    expect(await write('dev')).toBe('scope_missing')
  })

  it('takes the place of no token while it is no token', async () => {
    writeFileSync(join(data, 'agent.token'), 'ey.half.writ')
    await after(1_100)
    expect(await write('dev')).toBeUndefined()
    expect(server.stderr()).toContain('The new token is not valid')
    rmSync(join(data, 'agent.token'))
    await after(1_100)
    expect(await write('dev')).toBe('unauthenticated')
    expect(await tools()).toEqual([])
    await give({ grants: ['flags.write:dev'] })
    expect(await write('dev')).toBeUndefined()
  })

  it('ends the connection when it is of another principal, and gives that one nothing', async () => {
    expect(await write('dev')).toBeUndefined()
    await give({ sub: 'agent:somebody-else', grants: ['flags.write:dev'] })
    expect(await write('dev')).toBe('unauthenticated')
    expect(await server.ended()).toBe(1)
    expect(server.stderr()).toContain('of another principal')
    const calls = (await recordsIn(data)).filter(({ type }) => type === 'call.decision' || type === 'call.outcome')
    expect(calls.map(({ actor, decision }) => [actor?.id, decision?.reasonCode])).toEqual([
      ['agent:release', undefined],
      [undefined, 'unauthenticated'],
    ])
  })
})
