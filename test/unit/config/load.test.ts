import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, parseConfig, resolveConfig } from '../../../src/config/load.ts'

/** A document of the users', as it stands. */
const golden = (name: string) => readFileSync(join(import.meta.dirname, '../../golden/documents', name), 'utf8')

const production = `
auth:
  issuers:
    - issuer: https://id.example.com
      jwks: jwks.json
`

/** A directory with these files, and the path of its `sluicegate.yaml`. */
function files(content: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'config-'))
  for (const [name, text] of Object.entries(content)) {
    if (name.includes('/')) mkdirSync(join(directory, name.slice(0, name.lastIndexOf('/'))), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  return join(directory, 'sluicegate.yaml')
}

const parse = (text: string) => parseConfig(text, '/etc/sluicegate/sluicegate.yaml')
const sentences = (text: string) => parse(text).problems.map(({ line, path, message }) => `${line} ${path}: ${message}`)

describe('a configuration', () => {
  it('denies by default: production, loopback, no egress, no principals, nothing enforced by the detector', () => {
    const { config, problems } = parse(production)
    expect(problems).toEqual([])
    expect(config).toMatchObject({
      mode: 'production',
      listen: { host: '127.0.0.1', port: 8787 },
      admin: { host: '127.0.0.1', port: 8788 },
      auth: { maxTtlSeconds: 600, skewSeconds: 60, stdio: { grants: [] } },
      principals: [],
      policies: ['builtin'],
      egress: { allow: [], bulk: [], block: [], hosts: {} },
      detector: { stages: { default: 'shadow', rules: {} } },
      telemetry: { spansFile: true, traceTrust: 'parent' },
    })
  })

  it('takes a rule for replays only where one is written', () => {
    expect(parse(production).config?.auth).not.toHaveProperty('replay')
    for (const replay of ['bound', 'strict'])
      expect(parse(`${production}  replay: ${replay}\n`).config?.auth.replay).toBe(replay)
    expect(sentences('auth: { replay: lenient }')).toContainEqual(
      expect.stringMatching(/'auth\.replay' must be bound or strict/),
    )
  })

  it('finds relative paths beside itself', () => {
    const { config } = parse(`${production}tickets: { file: tickets.json }\nadmin: { token: "file:keys/admin" }\n`)
    expect(config?.auth.issuers[0]?.jwks).toBe('/etc/sluicegate/jwks.json')
    expect(config?.tickets.file).toBe('/etc/sluicegate/tickets.json')
    expect(config?.admin.token).toEqual({ from: 'file', path: '/etc/sluicegate/keys/admin' })
  })

  it('reports every problem with its line and path, not only the first', () => {
    const found = sentences(`mode: staging
listne: { port: 1 }
listen:
  port: 99999
auth:
  maxTtlSeconds: 3600
  issuers:
    - issuer: a
tools:
  flag.set: { cost: 1 }
`)
    expect(found).toEqual([
      expect.stringMatching(/^1 mode: 'mode' is wrong: /),
      expect.stringMatching(/^4 listen\.port: /),
      expect.stringMatching(/^8 auth\.issuers\.0\.jwks: /),
      expect.stringMatching(/^6 auth\.maxTtlSeconds: .*at most 600 seconds/),
      expect.stringMatching(/^10 tools\.flag\.set\.cost: Unknown key 'cost'/),
      expect.stringMatching(/^2 listne: Unknown key 'listne'; did you mean 'listen'\?/),
    ])
  })

  it('tells broken YAML, keys given twice and dangerous keys apart from the rest', () => {
    expect(sentences('mode: [')).toEqual([expect.stringMatching(/^1/)])
    expect(sentences('mode: development\nmode: production\n')).toHaveLength(1)
    expect(sentences('tools: { __proto__: {} }')).toEqual([expect.stringContaining('__proto__')])
    expect(sentences('just text')).toHaveLength(1)
    expect(sentences('- a\n- b')).toHaveLength(1)
  })

  it.each([
    ['bus: { kind: kafka }', 'bus.brokers', /expected array/],
    ['bus: { kind: kafka, brokers: [k], tls: {} }', 'bus.brokers.0', /must be "host:port"/],
    ['bus: { kind: kafka, brokers: ["k:1"], tls: { cert: c.pem } }', 'bus.tls', /needs cert and key, or neither/],
    ['state: { kind: redis }', 'state.kind', /is 'redis', which is not in this version/],
    ['detector: { mode: external }', 'detector.mode', /is 'external', which is not in this version/],
    ['secrets: { provider: kms }', 'secrets.provider', /is 'kms', which is not in this version: use vault:/],
    ['evidence: { onFailure: allow-reads-spool }', 'evidence.onFailure', /not in this version/],
    ['tickets: { url: "https://t.example" }', 'tickets.url', /own credential: add tickets.token/],
    ['tickets: { token: "file:t" }', 'tickets.token', /belongs to tickets.url/],
    ['tickets: { url: "https://t.example", token: "file:t", file: t.yaml }', 'tickets.file', /one ticket register/],
    [
      'principals: [{ principal: a, request: "*", reason: r, approver: b, ttlSeconds: 60 }]',
      'principals.0.request',
      /one scope without/,
    ],
    [
      'principals: [{ principal: a, request: s, reason: r, approver: b, ttlSeconds: 30000 }]',
      'principals.0.ttlSeconds',
      /at most 28800/,
    ],
    [
      'principals: [{ principal: a, request: s, reason: r, approver: A, ttlSeconds: 60 }]',
      'principals.0.approver',
      /another person must approve/,
    ],
    ['principals: [{ principal: a, request: s, reason: r, ttlSeconds: 60 }]', 'principals.0.approver', /approver/],
    ['upstreams: {}', 'upstreams', /not in this version/],
    ['catalog: {}', 'catalog', /not in this version/],
    ['notary: {}', 'notary', /not in this version/],
    ['state: { kind: memory }', 'state.kind', /is 'memory', which is not in this version/],
    ['detector: { mode: "off" }', 'detector.mode', /detector.stages.default/],
    ['dlp: { modes: {} }', 'dlp.modes', /not in this version: say it in a policy rule/],
    ['siem: {}', 'siem', /not in this version/],
    ['retention: { days: 30 }', 'retention', /not in this version/],
  ])('refuses %s with a sentence instead of ignoring it', (text, path, sentence) => {
    const [problem] = parse(`mode: development\n${text}\n`).problems
    expect(problem).toMatchObject({ line: 2, path, message: expect.stringMatching(sentence) })
  })

  it.each([
    ['env:ADMIN', 'production refuses'],
    ['vault:kv/admin', 'must be vault:<mount>/<path>#<field>'],
    ['kms:alias/admin', 'use vault:'],
    ['hunter2-is-my-password', 'never its value'],
    ['file:', 'never its value'],
  ])('refuses the secret %s, and does not repeat a value', (secret, sentence) => {
    const [problem] = parse(`${production}admin: { token: "${secret}" }\n`).problems
    expect(problem?.message).toContain(sentence)
    expect(problem?.message).not.toContain('hunter2')
  })

  it('takes an issuer’s keys from a file or an address, in clear only from loopback in development', () => {
    const jwks = (mode: string, from: string) =>
      parse(`mode: ${mode}\nauth: { issuers: [{ issuer: i, jwks: "${from}" }] }\n`).config?.auth.issuers[0]?.jwks
    expect(jwks('production', 'keys/jwks.json')).toBe('/etc/sluicegate/keys/jwks.json')
    expect(jwks('production', 'https://id.example/realms/a/certs')).toBe('https://id.example/realms/a/certs')
    expect(jwks('development', 'http://127.0.0.1:9000/certs')).toBe('http://127.0.0.1:9000/certs')
    expect(jwks('production', 'http://127.0.0.1:9000/certs')).toBeUndefined()
  })

  it('takes a secret from the environment in development only', () => {
    const { config } = parse('mode: development\nadmin: { token: "env:ADMIN" }\n')
    expect(config?.admin.token).toEqual({ from: 'env', name: 'ADMIN' })
  })

  it.each([
    ['egress: { allow: ["*.com"] }', 'egress.allow.0'],
    ['egress: { allow: [a.example], bulk: [b.example] }', 'egress.bulk.0'],
    ['egress: { hosts: { a.example: 9000 } }', 'egress.hosts'],
    ['auth: { tenants: { acme: { home: MOON } }, issuers: [{ issuer: i, jwks: j }] }', 'auth.tenants.acme.home'],
    ['auth: { stdio: { grants: [orders.read] }, issuers: [{ issuer: i, jwks: j }] }', 'auth.stdio'],
    ['mode: production', 'auth.issuers'],
    ['services: { orders: { regions: { eu-west: "ftp://x" } } }', 'services.orders.regions.eu-west'],
    ['services: { orders: { regions: { eu-west: "http://user:pw@x" } } }', 'services.orders.regions.eu-west'],
    ['auth: { issuers: [{ issuer: i, jwks: "http://id.example/jwks" }] }', 'auth.issuers.0.jwks'],
    ['auth: { issuers: [{ issuer: i, jwks: "http://127.0.0.1/jwks" }] }', 'auth.issuers.0.jwks'],
    ['auth: { issuers: [{ issuer: i, jwks: "https://user:pw@id.example/jwks" }] }', 'auth.issuers.0.jwks'],
    ['auth: { issuers: [{ issuer: i, jwks: "file:///etc/keys" }] }', 'auth.issuers.0.jwks'],
    ['mode: development\nauth: { issuers: [{ issuer: i, jwks: "http://10.0.0.1/jwks" }] }', 'auth.issuers.0.jwks'],
    ['auth: { issuers: [{ issuer: "urn:sluicegate:development", jwks: j }] }', 'auth.issuers.0.issuer'],
    ['principals: [{ principal: "agent:*", allow: [a] }]', 'principals.0.principal'],
    ['principals: [{ principal: "agent:a", allow: ["orders.*"] }]', 'principals.0.allow.0'],
    ['dlp: { mods: {} }', 'dlp.mods'],
    ['tickets: { url: "http://t.example", token: "file:t" }', 'tickets.url'],
    ['evidence: { gateway: "../x" }', 'evidence.gateway'],
  ])('refuses %s', (text, path) => {
    const base = text.includes('auth:') || text.startsWith('mode') ? '' : production
    expect(parse(`${base}${text}\n`).problems.map((problem) => problem.path)).toContain(path)
  })

  it('warns of a listener beyond loopback, and of data that no backend serves', () => {
    const { warnings, problems } = parse(
      'mode: development\nlisten: { host: 0.0.0.0 }\nservices: { orders: { regions: { us-east: "http://127.0.0.1:1" } } }\n',
    )
    expect(problems).toEqual([])
    expect(warnings.map(({ path }) => path)).toEqual(['listen.host', 'services.orders.regions'])
  })

  it('gives a development server everything it needs without a file', () => {
    expect(resolveConfig('mode: development\n', '/nowhere/sluicegate.yaml').problems).toEqual([])
    expect(resolveConfig('mode: development\n', '/nowhere/sluicegate.yaml').config?.mode).toBe('development')
  })
})

describe('the files a configuration names', () => {
  const copilot = golden('engineering-grants.json')
  const guard = golden('developer-limits.json')

  it('may be requests for elevations beside principals, in place or in files', () => {
    const request = golden('engineering-elevation.json')
    const file = files({
      'sluicegate.yaml': `${production}principals: [copilot.json, request.json, ${request.replaceAll('\n', ' ')}]\n`,
      'copilot.json': copilot,
      'request.json': request,
    })
    const loaded = loadConfig(file)
    expect(loaded.problems).toEqual([])
    expect(loaded.elevations).toEqual([JSON.parse(request), JSON.parse(request)])
    expect(loaded.principals.map(({ principal }) => principal)).toEqual(['agent:copilot'])
  })

  it('may be principals in both of their shapes, one to a file or several', () => {
    const file = files({
      'sluicegate.yaml': `${production}principals: [copilot.json, rest.json]\n`,
      'copilot.json': copilot,
      'rest.json': `[${guard}, ${golden('engineering-limits.json')}]`,
    })
    expect(loadConfig(file).principals).toEqual([
      expect.objectContaining({
        principal: 'agent:copilot',
        allow: ['orders.read', 'flags.write:staging'],
        ttlSeconds: 600,
      }),
      expect.objectContaining({ limits: expect.objectContaining({ burst: 100 }), stop_rules: expect.anything() }),
      expect.objectContaining({ limits: { rpm: 60, concurrency: 5, daily_cost_usd: 50 } }),
    ])
  })

  it('have their own problems, under their own names and lines', () => {
    const file = files({
      'sluicegate.yaml': `${production}principals: [bad.json, gone.json]\npolicies: [rules]\nbaseline: gone.yaml\n`,
      'bad.json': '{ "principal": "agent:copilot",\n "alow": ["x"] }',
      'rules/a.yaml': '- rule: r1\n  when: { tool: flag.set, cond: "rolloutPct >" }\n  decision: deny\n',
    })
    const { problems, config } = loadConfig(file)
    expect(config).toBeUndefined()
    expect(problems.map((problem) => `${problem.file.replace(/.*config-[^/]*\//, '')}:${problem.line}`)).toEqual([
      'sluicegate.yaml:8',
      'bad.json:2',
      'sluicegate.yaml:6',
      'rules/a.yaml:2',
    ])
  })

  it('may be policies, and rules in place keep their line', () => {
    const file = files({
      'sluicegate.yaml': `${production}policies:\n  - builtin\n  - rules\n  - rule: in-place\n    when: { tool: web.fetchSafe }\n    decision: sometimes\n`,
      'rules/b.yaml': '- rule: b\n  when: { tool: flag.set }\n  decision: deny\n',
      'rules/a.yml': '- rule: a\n  when: { tool: flag.set }\n  decision: deny\n',
      'rules/notes.txt': 'no rules',
    })
    const { problems, policies } = loadConfig(file)
    expect(policies.builtIn).toBe(true)
    expect(policies.sources.map((source) => source.file.split('/').at(-1))).toEqual([
      'sluicegate.yaml',
      'a.yml',
      'b.yaml',
    ])
    expect(problems.map(({ line, path }) => [line, path])).toEqual([[9, '0.decision']])
  })

  it('change the digest', () => {
    const text = `${production}principals: [p.json]\n`
    const digest = (principals: string) => loadConfig(files({ 'sluicegate.yaml': text, 'p.json': principals })).digest
    expect(digest(copilot)).toBe(digest(copilot))
    expect(digest(copilot)).not.toBe(digest(guard))
  })

  it('are told apart from a file that is not there', () => {
    expect(loadConfig('/no/such/sluicegate.yaml').problems[0]?.message).toMatch(/There is no \/no\/such/)
  })
})

describe('a baseline', () => {
  const document = golden('developer-baseline.yaml')
  const stricter = document.replace('max_ttl_seconds: 600', 'max_ttl_seconds: 300')
  const load = (baseline: string, more = '') =>
    loadConfig(files({ 'sluicegate.yaml': `${production}${more}baseline: base.yaml\n`, 'base.yaml': baseline }))

  it('counts where it is the stricter, and says what that changes and what is left to do', () => {
    const { config, problems, warnings } = load(stricter)
    expect(problems).toEqual([])
    expect(config?.auth).toMatchObject({ maxTtlSeconds: 300, replay: 'strict' })
    expect(warnings.map(({ path }) => path)).toEqual(['auth.replay_window_minutes', 'secrets.provider'])
    expect(warnings[0]?.message).toContain('auth.replay is strict')
  })

  describe('that asks for single use of tokens', () => {
    const told = ({ problems, warnings }: ReturnType<typeof load>) =>
      [problems, warnings].map((all) => all.filter(({ path }) => path.startsWith('auth')))
    const auth = (text: string) => production.replace('auth:\n', `auth:\n  ${text}\n`)
    const loadWith = (text: string) =>
      loadConfig(files({ 'sluicegate.yaml': `${text}baseline: base.yaml\n`, 'base.yaml': document }))

    it('has nothing to say about auth.replay: strict', () => {
      const loaded = loadWith(auth('replay: strict'))
      expect(told(loaded)).toEqual([[], []])
      expect(loaded.config?.auth.replay).toBe('strict')
    })

    it('is refused with auth.replay: bound, at its own line', () => {
      const loaded = loadWith(auth('replay: bound'))
      const line = document.split('\n').findIndex((text) => text.includes('replay_window_minutes')) + 1
      const message = expect.stringMatching(/single use: write auth\.replay: strict\.$/) as string
      expect(told(loaded)).toMatchObject([[{ line, path: 'auth.replay_window_minutes', message }], []])
      expect(loaded.problems[0]?.file).toMatch(/base\.yaml$/)
      expect(loaded.config).toBeUndefined()
    })

    it.each(['mode: development\n', 'mode: development\nauth: { replay: bound }\n'])(
      'is told, and not refused, in development: %j',
      (text) => {
        const loaded = loadWith(text)
        expect(told(loaded).map((all) => all.length)).toEqual([0, 1])
        expect(loaded.config?.auth.replay).not.toBe('strict')
      },
    )

    it('is the only one that makes it so', () => {
      const lax = document.replace(/.*replay_window_minutes.*\n/, '')
      expect(load(lax).config?.auth.replay).toBeUndefined()
      expect(load(lax).warnings.map(({ path }) => path)).toEqual(['secrets.provider'])
    })
  })

  it('is not met beyond loopback without client certificates', () => {
    const open = 'listen: { host: 0.0.0.0, tls: { cert: a, key: b } }\n'
    expect(load(document, open).problems.map(({ path }) => path)).toEqual(['transport.mtls'])
  })

  it('that asks for nbf is not met by an issuer that may leave it out', () => {
    const issuers = (nbf: string) =>
      `auth: { issuers: [{ issuer: 'https://id.example.com', jwks: jwks.json, nbf: ${nbf} }] }\n`
    const told = (mode: string, nbf: string, baseline = document) => {
      const text = `mode: ${mode}\n${issuers(nbf)}baseline: base.yaml\n`
      const { problems, warnings } = loadConfig(files({ 'sluicegate.yaml': text, 'base.yaml': baseline }))
      return [problems, warnings].map((all) => all.filter(({ path }) => path === 'auth.claims').length)
    }
    expect(document).toMatch(/claims:.*nbf/)
    expect(told('production', 'optional')).toEqual([1, 0])
    expect(told('development', 'optional')).toEqual([0, 1])
    expect(told('production', 'required')).toEqual([0, 0])
    expect(told('production', 'optional', document.replace(/, ?"?nbf"?/, ''))).toEqual([0, 0])
  })

  it('is refused where it asks for what nobody checks', () => {
    expect(load(document.replace('"jti"', '"jti","groups"')).problems[0]?.message).toContain('may list')
    expect(load(`${document}network: {}\n`).problems[0]?.message).toContain("Unknown key 'network'")
  })
})

describe('the example in docs/configuration.md', () => {
  it('is a configuration in which nothing is wrong', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8')
    const example = /```yaml\n(.*?)```/s.exec(page)?.[1] ?? ''
    expect(parse(example)).toMatchObject({ problems: [], config: { mode: 'production' } })
  })
})
