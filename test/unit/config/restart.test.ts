import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resolveConfig } from '../../../src/config/load.ts'
import { restartNeeded, type Version } from '../../../src/config/restart.ts'

let folder: string
const file = (name: string) => join(folder, name)
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluicegate-restart-'))
  writeFileSync(file('mild.yaml'), 'auth: { max_ttl_seconds: 300 }\n')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a change while the gateway runs', () => {
  const version = (text: string): Version => {
    const {
      config,
      own = config,
      demands,
      problems,
    } = resolveConfig(`mode: development\n${text}`, file('sluicegate.yaml'))
    if (!config || !own) throw new Error(problems.map(({ message }) => message).join(' '))
    return { config, own, demands }
  }
  const needs = (before: string, after: string) => restartNeeded(version(before), version(after))

  it.each([
    ['listen: { port: 1 }', /^listen: .*restart/],
    ['admin: { port: 1 }', /^admin: .*restart/],
    ['evidence: { gateway: other }', /^evidence: .*restart/],
    ['telemetry: { spansFile: false }', /^telemetry: .*restart/],
    ['detector: { baseline: b.json }', /^detector\.baseline: .*restart/],
    ['services: builtin', /^services: .*restart/],
  ])('of %s needs a restart', (text, sentence) => {
    expect(needs('', text)).toEqual([expect.stringMatching(sentence)])
    expect(needs(text, '')).toEqual([expect.stringMatching(sentence)])
  })

  it.each([
    'principals: [{ principal: a, deny: [x] }]',
    'policies: []',
    'auth: { audience: other, tenants: { t: { home: EU } } }',
    'tools: { flag.set: { enabled: false } }',
    'services: { s: { regions: { us-east: "https://s.example" } } }',
    'egress: { allow: [vendor.example] }',
    'limits: { tenants: { t: { rpm: 1 } } }',
    'tickets: { file: t.yaml }',
    'detector: { stages: { default: enforce }, lists: { l: [x] } }',
    'alerts: { sinks: [] }',
    'baseline: mild.yaml',
  ])('of %s needs none', (text) => {
    expect(needs('', text)).toEqual([])
  })

  it('of a whole mode needs one', () => {
    expect(
      restartNeeded(version(''), { ...version(''), config: { ...version('').config, mode: 'production' } }),
    ).toEqual([expect.stringMatching(/^mode: /)])
  })

  describe('of what a baseline asks of a section that is read once', () => {
    const baseline = (text: string) => writeFileSync(file('base.yaml'), text)
    const more = 'baseline: base.yaml\nlisten: { tls: { cert: a, key: b, rotationDays: 80 } }\n'

    it('names the line of the baseline, not the section that nobody touched', () => {
      baseline('transport:\n  cert_rotation_days: 60\nsecrets:\n  rotation_days: 30\n')
      const before = version(more)
      baseline('transport:\n  cert_rotation_days: 50\nsecrets:\n  rotation_days: 20\n')
      expect(restartNeeded(before, version(more))).toEqual([
        expect.stringMatching(/base\.yaml:2: transport\.cert_rotation_days: .*'listen'.*restart/),
        expect.stringMatching(/base\.yaml:4: secrets\.rotation_days: .*'secrets'.*restart/),
      ])
    })

    it('names the nearest line when the demand is taken back, and the configuration when the baseline is', () => {
      baseline('auth:\n  max_ttl_seconds: 300\ntransport:\n  cert_rotation_days: 60\n')
      const before = version(more)
      baseline('auth:\n  max_ttl_seconds: 300\ntransport:\n  mtls: false\n')
      expect(restartNeeded(before, version(more))).toEqual([
        expect.stringMatching(/base\.yaml:3: transport\.cert_rotation_days: /),
      ])
      expect(restartNeeded(before, version(more.replace('baseline: base.yaml\n', '')))).toEqual([
        expect.stringMatching(/sluicegate\.yaml:1: baseline: .*'listen'/),
      ])
    })

    it('names the section when somebody did touch it', () => {
      baseline('transport:\n  cert_rotation_days: 60\n')
      const before = version(more)
      baseline('transport:\n  cert_rotation_days: 50\n')
      const touched = version(more.replace('cert: a', 'cert: c'))
      expect(restartNeeded(before, touched)).toEqual([expect.stringMatching(/^listen: /)])
    })

    it('needs none where nothing comes of it', () => {
      baseline('transport:\n  cert_rotation_days: 85\n')
      const before = version(more)
      baseline('transport:\n  cert_rotation_days: 90\n')
      expect(restartNeeded(before, version(more))).toEqual([])
    })
  })
})
