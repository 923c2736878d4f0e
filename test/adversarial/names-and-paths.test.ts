import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { corporaFolder, rowsOf } from '../../scripts/corpora/rows.ts'
import { compilePolicy } from '../../src/policy/compile.ts'
import { inputOf } from '../../src/policy/example.ts'
import { isListed } from '../../src/tools/egress.ts'
import { issuerOf, openTestGateway, type TestGateway } from '../support/gateway.ts'
import { goodClaims, goodHeader, signed, tokenBench } from '../support/tokens.ts'

const folder = corporaFolder()

/** Our own cases, for where there are no collected rows: letters of other scripts, full width, invisible signs. */
const ownLookalikes = [
  ['а', 'a'],
  ['е', 'e'],
  ['ο', 'o'],
  ['ｓ', 's'],
  ['ꓲ', 'l'],
  ['․', '.'],
  ['l\u200b', 'l'],
  ['\u202eg', 'g'],
  ['‐', '-'],
] as const
const ownPaths = [
  '../up',
  '..\\up',
  '/abs',
  '%2e%2e%2fup',
  '%252e%252e%252fup',
  '....//up',
  '..%c0%afup',
  'a/../../up',
  '..;/up',
  '~/up',
  'C:\\up',
  'file:///up',
  'up\0.log',
  '.',
  '..',
  'streams/../../up',
  '․․/up',
]

interface LookalikeRow {
  readonly from?: string
  readonly to?: string
}

const lookalikes: readonly (readonly [from: string, to: string])[] = [
  ...ownLookalikes,
  ...(folder === undefined ? [] : rowsOf<LookalikeRow>(folder, 'unicode')).flatMap(({ from, to }) =>
    from !== undefined && to !== undefined ? [[from, to] as const] : [],
  ),
]
const paths: readonly string[] = [
  ...ownPaths,
  ...(folder === undefined ? [] : rowsOf<{ readonly path: string }>(folder, 'path_traversal')).map(({ path }) => path),
]

let jail: string
let gate: TestGateway
beforeAll(async () => {
  jail = mkdtempSync(join(tmpdir(), 'sluicegate-jail-'))
  mkdirSync(join(jail, 'inner', 'data'), { recursive: true })
  const tireless = { limits: { rpm: 1_000_000, burst: 1_000_000 }, stop_rules: { max_retries: 1_000_000 } }
  const principals = [{ principal: 'agent:release', ...tireless }]
  const over = { principals, detector: { stages: { default: 'off' } } }
  gate = await openTestGateway({ data: join(jail, 'inner', 'data'), over })
})
afterAll(async () => {
  await gate.close()
  rmSync(jail, { recursive: true, force: true })
})

describe('a name that only looks like another', () => {
  it('is never the tool, the domain or the scope it looks like', () => {
    const wrong = lookalikes.filter(([from, to]) => {
      const [name, real] = [`x${from}y`, `x${to}y`]
      const policy = compilePolicy([{ rule: 'r', when: { tool: real }, decision: 'allow' }])
      const rule = policy.judge(inputOf(name, {})).effect === 'allow'
      return name === real || rule || isListed(`${name}.example`, [`${real}.example`, `*.${real}.example`])
    })
    expect(lookalikes.length).toBeGreaterThan(8)
    expect(wrong).toEqual([])
  })

  it('of a tenant or a scope is refused with the token that holds it', async () => {
    const { own, clock, check } = tokenBench()
    const passed: string[] = []
    for (const [from, to] of lookalikes) {
      for (const claims of [{ tenant: `acme${from}` }, { scope: `orders.read${from}` }]) {
        const token = signed(own, goodHeader(own), { ...goodClaims(clock), ...claims })
        if ((await check(token)) === 'ok') passed.push(`${from} for ${to}`)
      }
    }
    expect(passed).toEqual([])
  })

  it('of a tool is unknown, and is recorded under no name of ours', async () => {
    for (const [from] of lookalikes.slice(0, 60)) {
      const { ended } = await gate.call(`flag${from}set`, {})
      expect([from, ended]).toEqual([from, 'unknown_tool'])
    }
    const refused = (await gate.records()).filter(({ decision }) => decision?.reasonCode === 'unknown_tool')
    expect(new Set(refused.map(({ tool }) => tool?.name))).toEqual(new Set(['_OTHER']))
  })
})

describe('a path in a place where a name belongs', () => {
  /** Files the gateway itself begins as it goes. */
  const meant = /^inner\/data\/(spans\.jsonl|streams\/gateway\/[0-9A-Z]{26}(\/seg-\d{8}\.log)?)$/
  const filesOf = () => readdirSync(jail, { recursive: true }).map(String).toSorted()

  it('writes no file outside the data directory, and none in it that was not meant', async () => {
    const issuer = await issuerOf(gate.data)
    await gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })
    const before = filesOf()
    const tryOne = async (path: string): Promise<void> => {
      const more = { plan: { id: path.slice(0, 128) }, client: path, requestId: path, mcpSession: path }
      await gate.call('flag.set', { name: path, env: 'dev', rolloutPct: 1, ticket: path, idemKey: path }, more)
      await gate.call(path, {}, more)
      const asked = {
        sub: 'agent:release',
        tenant: 'acme',
        scopes: ['orders.read'],
        ttlSec: 60,
        sid: path.slice(0, 64),
      }
      const credential = credentialFrom(() => issuer.issue(asked))
      if (credential) await gate.call('orders.export', { from: path, to: path }, { credential })
    }
    for (let at = 0; at < paths.length; at += 64) await Promise.all(paths.slice(at, at + 64).map(tryOne))
    expect(filesOf().filter((file) => !before.includes(file) && !meant.test(file))).toEqual([])
  })

  it('is served by no listener, as it stands or with its percent signs undone', async () => {
    const answers = new Set<string>()
    for (const path of paths.slice(0, 300)) {
      for (const url of [gate.mcp, gate.admin]) {
        const clean = path.replaceAll(/[^\x21-\x7e]/g, (char) => encodeURIComponent(char))
        answers.add(await statusOf(Number(new URL(url).port), `/${clean}`))
      }
    }
    for (const status of answers) expect(['400', '401', '403', '404', 'closed']).toContain(status)
  })
})

/** Nothing where the issuer itself refuses what no token may carry. */
function credentialFrom(issue: () => string) {
  try {
    return { kind: 'bearer', token: issue() } as const
  } catch {
    return undefined
  }
}

/** The status of a GET for exactly this path: no client normalizes it on the way. */
function statusOf(port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let got = ''
    const end = () => resolve(/^HTTP\/1\.1 (\d+)/.exec(got)?.[1] ?? 'closed')
    socket.on('data', (piece: Buffer) => (got += piece.toString('latin1')))
    socket.on('close', end).on('error', end)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
  })
}
