import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { verifyEvidence } from '../../src/apps/verify.ts'
import { authority, pairFiles } from '../support/certificates.ts'
import { ran, run } from '../support/child.ts'
import { cli } from '../support/cli.ts'
import { openTestGateway, recordsIn, type TestGateway } from '../support/gateway.ts'
import { send } from '../support/wire.ts'

/* What is wrong at the start is told in a sentence with its place and its remedy, and nothing is left half done. */

const places: string[] = []
function directory(files: Readonly<Record<string, string>> = {}): string {
  const place = mkdtempSync(join(tmpdir(), 'sluicegate-start-'))
  places.push(place)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text)
  return place
}
afterAll(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true })
})

const config = (text: string): string => join(directory({ 'sluicegate.yaml': text }), 'sluicegate.yaml')

/** `serve` that must not begin: code 3, one sentence per problem, no stack, and nothing on standard output. */
async function refused(...args: readonly string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await cli('serve', ...args)
  expect([code, stdout]).toEqual([3, ''])
  expect(stderr).toMatch(/^sluicegate: /)
  expect(stderr).not.toMatch(/\n\s+at |Error:|undefined|\[object/)
  return stderr.trimEnd().split('\n')
}

describe('a certificate', () => {
  const ours = authority('ours')
  const text = 'mode: development\nlisten: { port: 0, tls: { cert: gate.crt, key: gate.key } }\nadmin: { port: 0 }\n'

  it('that cannot be used stops the start, with every reason', async () => {
    const place = directory({ 'sluicegate.yaml': text })
    pairFiles(place, { ...ours.issue('gate', { fromDays: -9, toDays: -1 }), key: ours.issue('gate').key })
    const data = join(directory(), 'data')
    expect((await refused('--config', join(place, 'sluicegate.yaml'), '--data', data)).join('\n')).toMatch(
      /^sluicegate: The certificate of listen cannot be used: .*It expired on .* The key does not belong to the certificate\.$/,
    )
    expect((await recordsIn(data)).at(-1)?.type).toBe('stream.close')
  })

  it('makes the agents’ address an https one, where it is told that the gateway is ready', async () => {
    const place = directory({ 'sluicegate.yaml': text })
    pairFiles(place, ours.issue('gate'))
    await using serving = run([
      'serve',
      '--config',
      join(place, 'sluicegate.yaml'),
      '--data',
      join(directory(), 'data'),
    ])
    const ready = JSON.parse(await serving.line('stderr', (line) => line.includes('"ready"'))) as { mcp: string; admin: string } // prettier-ignore
    expect(ready.mcp).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/mcp$/)
    expect(ready.admin).toMatch(/^http:/)
    expect((await send(ready.mcp, { tls: { ca: ours.cert } })).status).toBe(401)
    serving.process.kill('SIGTERM')
    expect(await serving.ended()).toBe(0)
  })
})

describe('an issuer', () => {
  it.each(['development', 'production'])('whose keys are not there stops the start in %s', async (mode) => {
    const auth = 'auth: { issuers: [{ issuer: https://id.example, jwks: gone.json }] }'
    const [line] = await refused(
      '--config',
      config(`mode: ${mode}\n${auth}\nadmin: { token: file:none }\n`),
      '--data',
      directory(),
    )
    expect(line).toMatch(/gone\.json|none/)
  })
})

describe('a configuration that is wrong', () => {
  it.each([
    ['is no YAML', 'mode: [development\nlisten: {', /sluicegate\.yaml:[12]: /],
    ['has a tab where YAML takes none', 'listen:\n\tport: 1\n', /sluicegate\.yaml:2: /],
    ['is a list', '- mode: development\n', /sluicegate\.yaml:1: /],
    ['says a thing twice', 'mode: development\nmode: production\n', /sluicegate\.yaml:2: /],
    ['has a key nobody knows', 'mode: development\nlistne: { port: 1 }\n', /sluicegate\.yaml:2: .*listne/],
    ['has a port that is none', 'mode: development\nlisten:\n  port: 70000\n', /sluicegate\.yaml:3: .*port/],
    ['holds a secret', 'mode: development\nadmin: { token: hunter2hunter2 }\n', /sluicegate\.yaml:2: .*reference/],
    [
      'names a policy file that is not there',
      'mode: development\npolicies: [builtin, nowhere.yaml]\n',
      /sluicegate\.yaml:2: .*nowhere\.yaml/,
    ],
    [
      'grants a wildcard',
      'mode: development\nprincipals:\n  - { principal: a, allow: ["flags.*"] }\n',
      /sluicegate\.yaml:3: .*wildcard/,
    ],
  ])('stops the start when it %s, with file and line', async (_what, text, said) => {
    const file = config(text)
    const data = join(directory(), 'data')
    const lines = await refused('--config', file, '--data', data)
    expect(lines.join('\n')).toMatch(said)
    expect(lines.join('\n')).not.toContain('hunter2')
    expect(existsSync(data)).toBe(false)
    const checked = await cli('config', 'check', file)
    expect([checked.code, checked.stderr]).toEqual([3, expect.stringMatching(said)])
  })

  it('is told with all its problems, not only the first', async () => {
    const file = config('mode: development\nlistne: 1\nauth:\n  maxTtl: 5\negress: { allow: ["*.com"] }\n')
    const { code, stderr } = await cli('config', 'check', file)
    expect(code).toBe(3)
    for (const line of [2, 4]) expect(stderr).toContain(`sluicegate.yaml:${line}: `)
  })

  it('may name a policy whose rules are wrong: the policy’s own file and line are told', async () => {
    const place = directory({
      'sluicegate.yaml': 'mode: development\npolicies: [builtin, own.yaml]\n',
      'own.yaml': '- rule: own\n  when: { tool: flag.set, cond: "rolloutPct >" }\n  decision: deny\n',
    })
    const lines = await refused('--config', join(place, 'sluicegate.yaml'), '--data', join(place, 'data'))
    expect(lines.join('\n')).toMatch(/own\.yaml:2: /)
  })

  it('may be absent', async () => {
    expect((await refused('--config', '/nowhere/sluicegate.yaml', '--data', directory())).join('')).toMatch(
      /\/nowhere\/sluicegate\.yaml/,
    )
  })
})

describe('a command line that is wrong', () => {
  it.each([
    [['serve', '--bogus'], /unknown option '--bogus'/],
    [['srve'], /unknown command 'srve'/],
    [['token', '--tenant', 'acme', '--grant', 'orders.read'], /--sub/],
    [['token', '--sub', 'a', '--tenant', 'acme', '--grant', 'x', '--ttl', 'soon'], /whole seconds/],
    [['switch', 'engage', 'everything', 'all', '--reason', 'x'], /kind must be one of/],
    [['switch', 'engage', 'tool', 'flag.set'], /--reason/],
    [['switch', 'engage', 'tool', 'flag.set', '--reason', 'x', '--ttl', '-1'], /whole seconds/],
    [['evidence', 'verify', '/nowhere/at/all'], /\/nowhere\/at\/all/],
    [['evidence', 'verify', '.', '--jobs', 'many'], /jobs/],
    [['policy', 'check', '/nowhere.yaml'], /\/nowhere\.yaml/],
    [['config', 'check', '/nowhere.yaml'], /\/nowhere\.yaml/],
  ])('exits 3 and says why: %j', async (args, why) => {
    const { code, stderr } = await cli(...args)
    expect([code, stderr]).toEqual([3, expect.stringMatching(why)])
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  it('issues no development token in production, and makes no key for one', async () => {
    const file = config('mode: production\n')
    const data = join(directory(), 'data')
    const { code, stdout, stderr } = await cli(
      'token',
      '--sub',
      'a',
      '--tenant',
      'acme',
      '--grant',
      'x',
      '--config',
      file,
      '--data',
      data,
    )
    expect([code, stdout, stderr]).toEqual([3, '', expect.stringContaining('do not exist in production')])
    expect(existsSync(data)).toBe(false)
  })
})

describe('a data directory that cannot be used', () => {
  it('below a file is refused', async () => {
    const file = join(directory({ file: 'x' }), 'file')
    expect((await refused('--data', join(file, 'data'))).join('')).toMatch(/file/)
    expect((await refused('--data', file)).join('')).toContain(file)
  })

  it('that another gateway holds is refused, naming the process', async () => {
    await using other = await openTestGateway()
    const [line] = await refused('--data', other.data)
    expect(line).toContain(`is held by process ${process.pid}; stop it first, or choose another data directory.`)
    expect((await other.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })).ended).toBe('ok')
  })

  describe('with a file that is not as it should be', () => {
    let data: string
    let gate: TestGateway
    beforeAll(async () => {
      data = directory()
      gate = await openTestGateway({ data })
      await gate.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })
      await gate.close()
    })
    const restored = new Map<string, Buffer>()
    const spoil = (name: string, text: string) => {
      const file = join(data, name)
      restored.set(file, readFileSync(file))
      writeFileSync(file, text)
    }
    afterEach(() => {
      for (const [file, bytes] of restored) writeFileSync(file, bytes)
      restored.clear()
    })

    it('says how to close a key that others may read', async () => {
      const file = join(data, 'keys', 'deployment.pem')
      chmodSync(file, 0o644)
      expect((await refused('--data', data)).join('')).toContain(`run "chmod 600 ${file}"`)
      chmodSync(file, 0o600)
    })

    it.each([
      ['keys/deployment.pem', 'no key', /deployment\.pem holds no Ed25519 private key/],
      ['keys/session.key', 'zz', /session\.key/],
      ['trust.json', '{"v":2}', /trust\.json/],
      ['trust.json', 'not json', /trust\.json/],
      ['state.db', 'x'.repeat(4096), /state\.db/],
      ['control/commands.log', 'garbage\n', /commands\.log/],
    ])('refuses %s holding %j', async (name, text, said) => {
      spoil(name, text)
      const lines = await refused('--data', data)
      expect(lines.join('\n')).toMatch(said)
      expect(lines).toHaveLength(1)
    })

    it('begins again once the file is mended, and what was there still verifies', async () => {
      await using again = await openTestGateway({ data })
      expect((await again.call('orders.export', { from: '2025-09-01', to: '2025-09-01' })).ended).toBe('ok')
      await again.close()
      expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0, problems: [] })
      expect(readdirSync(join(data, 'keys')).filter((name) => name.endsWith('.tmp'))).toEqual([])
    })
  })
})

describe('a proxy that Node would use', () => {
  it('is refused: who resolves the names would not be us', async () => {
    process.env['NODE_USE_ENV_PROXY'] = '1'
    try {
      expect((await refused('--data', join(directory(), 'data'))).join('\n')).toMatch(
        /told to use a proxy.*Unset NODE_USE_ENV_PROXY/,
      )
    } finally {
      delete process.env['NODE_USE_ENV_PROXY']
    }
  })
})

describe('a port that is taken', () => {
  it.each(['listen', 'admin'])(
    'is named with its section (%s); the other is let go, and so is the data',
    async (section) => {
      const [holder, free] = [createServer(), createServer()]
      const [taken, other] = [await portOf(holder), await portOf(free)]
      await closed(free)
      const [listen, admin] = section === 'listen' ? [taken, other] : [other, taken]
      const file = config(`mode: development\nlisten: { port: ${listen} }\nadmin: { port: ${admin} }\n`)
      const data = join(directory(), 'data')
      expect(await refused('--config', file, '--data', data)).toEqual([
        `sluicegate: 127.0.0.1:${taken} is in use. Stop what listens there, or choose another ${section}.port.`,
      ])
      await closed(holder)
      const again = createServer()
      expect(await portOf(again, other)).toBe(other)
      await closed(again)
      expect((await recordsIn(data)).at(-1)?.type).toBe('stream.close')
      expect(await verifyEvidence({ path: data })).toMatchObject({ exitCode: 0 })
      expect(existsSync(join(data, 'control', 'commands.lock'))).toBe(false)
    },
  )

  async function portOf(server: Server, port = 0): Promise<number> {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port
  }
  const closed = (server: Server) => once(server.close(), 'close')
})

describe('the program as a process', () => {
  it('exits 3 with the same sentence, on standard error alone', async () => {
    const file = config('mode: development\nlistne: 1\n')
    const { code, stdout, stderr } = await ran('serve', '--config', file)
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr).toMatch(/^sluicegate: .*sluicegate\.yaml:2: .*listne.*\n$/)
  })

  it('refuses a stdio client whose token is not valid, and says nothing on standard output', async () => {
    const data = directory({ 'agent.token': 'not.a.token' })
    const { code, stdout, stderr } = await ran(
      'serve',
      '--stdio',
      '--data',
      data,
      '--token-file',
      join(data, 'agent.token'),
    )
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr).toMatch(/sluicegate: The credential for stdio is not valid .*--token-file\.\n$/)
    expect((await recordsIn(data)).at(-1)?.type).toBe('stream.close')
  })
})
