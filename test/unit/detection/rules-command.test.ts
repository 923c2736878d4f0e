import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/adapters/clock-system.ts'
import { openKeys } from '../../../src/adapters/keys-file.ts'
import { rulesCommand } from '../../../src/bin/commands/rules.ts'
import { simulateBaseline } from '../../../src/demo/baseline.ts'
import { signSnapshot } from '../../../src/detection/snapshot.ts'
import type { ReplayReport } from '../../../src/detection/replay.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { openTestLog } from '../../support/evidence.ts'
import { noonMs } from '../../detections/events.ts'
import { shippedRules } from '../../detections/shipped-rules.ts'

const detections = resolve(import.meta.dirname, '../../../detections')
const directory = mkdtempSync(join(tmpdir(), 'rules-'))

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = 0
})

/** What one command line prints, and its exit code. */
async function run(...words: readonly string[]) {
  const said = { out: '', err: '' }
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((said.out += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((said.err += String(text)), true))
  process.exitCode = 0
  const program = new Command().exitOverride()
  rulesCommand(program)
  await program.parseAsync(['node', 'sluicegate', 'rules', ...words])
  vi.restoreAllMocks()
  return { ...said, code: process.exitCode }
}

const json = (out: string) => JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, unknown>

function written(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

describe('rules check', () => {
  it('passes the shipped rules and gives their digest', async () => {
    const { out, code } = await run('check', detections, '--json')
    expect([json(out), code]).toEqual([
      { ok: true, rules: shippedRules().rules.length, digest: shippedRules().digest, problems: [], warnings: [] },
      0,
    ])
  })

  it('names file and line of every problem, and exits 3', async () => {
    const file = written('bad.yml', 'title: Bad\nid: nope\nname: bad_rule\n')
    const { err, code } = await run('check', file)
    expect(code).toBe(3)
    expect(err).toMatch(/bad\.yml:2: id: is no UUID/)
    expect(err).toMatch(/bad\.yml:1: version: /)
  })

  it.each(['gone.yml', '.'])('refuses %s, where there are no rules', async (name) => {
    const { out, code } = await run('check', join(mkdtempSync(join(tmpdir(), 'none-')), name), '--json')
    expect([json(out)['ok'], code]).toEqual([false, 3])
  })
})

describe('rules test', () => {
  it('runs every example of the shipped rules', async () => {
    const { out, code } = await run('test', detections)
    expect(out).toMatch(/^\d{3} passed, 0 failed, 0 skipped\n$/)
    expect(code).toBe(0)
  })

  it('says which example fails, where and how, and exits 1', async () => {
    const file = written(
      'failing.yml',
      `title: Deep plan
id: 0d6c6a38-52ab-4c3e-a3f1-3d2f4a5b6c41
name: deep_plan
version: 1
status: test
logsource: { product: sluicegate, category: mcp_tool_invoke }
detection: { deep: { plan.depth|gt: 12 }, condition: deep }
level: medium
tests:
  - { name: deep, events: [{ plan.depth: 13 }], expect: { alerts: 1, level: high } }
  - { name: flat, events: [{ plan.depth: 13 }], expect: { alerts: 0 } }
  - { name: fine, events: [{ plan.depth: 13 }], expect: { alerts: 1, level: medium } }
`,
    )
    const { out, err, code } = await run('test', file)
    expect([out, code]).toEqual(['1 passed, 2 failed, 0 skipped\n', 1])
    expect(err).toMatch(/failing\.yml:10: rule 'deep_plan', 'deep': expected level high, got medium/)
    expect(err).toMatch(
      /failing\.yml:11: rule 'deep_plan', 'flat': expected 0 alerts, got 1: plan\.depth 13 \(> 12\)\./,
    )
  })
})

const digest = { digest: 'd'.repeat(64), alg: 'hmac-sha256', keyId: 'k', sizeBytes: 1 } as const

function upload(session: string, domain: string, sizeBytes: number): EvidenceEntry {
  return {
    type: 'call.outcome',
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    session,
    req: session,
    tenant: 'acme',
    actor: { id: 'agent:x', type: 'agent', jti: 'j' },
    tool: { name: 'web.fetchSafe', effect: 'egress' },
    grants: [{ scope: 'flags.write:staging' }],
    decision: { effect: 'allow', rules: [], bundleDigest: '', mode: 'enforce' },
    args: digest,
    result: { ...digest, status: 'ok' },
    egress: { domain, sizeBytes },
    ext: { argsHash: 'a'.repeat(16), resultHash: session.padEnd(16, '0'), ttlSec: 3_600, registrableDomain: domain },
  }
}

/** A data directory with two uploads in it, and a baseline signed with its key. */
async function evidence() {
  const data = mkdtempSync(join(tmpdir(), 'replay-'))
  const { deployment } = await openKeys(join(data, 'keys'), systemClock())
  const log = await openTestLog({ directory: data })
  await log.append(upload('s1', 'carrier-rates.example', 2_000))
  await log.append(upload('s2', 'collector.example', 200_000))
  await log.close()
  const baseline = join(data, 'detector', 'baseline.json')
  await mkdir(dirname(baseline))
  const { snapshot } = simulateBaseline({ rules: shippedRules(), endMs: noonMs })
  await writeFile(baseline, JSON.stringify(await signSnapshot(snapshot, deployment)))
  return { data, baseline }
}

describe('rules replay', () => {
  it('tells what would have alerted, how often, and who would have been stopped', async () => {
    const { data, baseline } = await evidence()
    const { out, code } = await run('replay', detections, '--evidence', data, '--baseline', baseline, '--json')
    const report = json(out) as unknown as ReplayReport
    expect(code).toBe(0)
    expect(report).toMatchObject({ sessions: 2, alerts: 2, per1000Sessions: 1_000 })
    expect(report.rules.map(({ rule, alerts, per1000Sessions }) => [rule, alerts, per1000Sessions])).toEqual([
      ['exfil_new_vendor_spike', 1, 500],
      ['long_token_write', 1, 500],
    ])
    expect(report.rules[0]?.responses).toMatchObject({
      'block_egress_domain enforce': { count: 1, targets: 1 },
      'kill_session ask': { count: 1, targets: 1 },
    })
  })

  it('prints a table', async () => {
    const { data, baseline } = await evidence()
    const { out } = await run('replay', detections, '--evidence', data, '--baseline', baseline)
    expect(out).toMatch(/exfil_new_vendor_spike +1 +1 +500\.0 {2}block_egress_domain enforce 1 \(1 targets\)/)
    expect(out).toMatch(/2 alerts over \d+ records and 2 sessions: 1000\.0 per 1,000 sessions/)
  })

  it('refuses a baseline that another deployment signed', async () => {
    const [{ data }, other] = await Promise.all([evidence(), evidence()])
    await expect(run('replay', detections, '--evidence', data, '--baseline', other.baseline)).rejects.toThrow(
      /not trusted here/,
    )
  })

  it('exits 2 when a line cannot be read', async () => {
    const file = written('seg-00000001.log', '{"v":1}\tnonsense\n')
    const { err, code } = await run('replay', detections, '--evidence', file)
    expect([code, err]).toEqual([2, expect.stringMatching(/^1 lines could not be read/)])
    rmSync(file)
  })

  it('says when there is no evidence', async () => {
    await expect(run('replay', detections, '--evidence', join(directory, 'nowhere'))).rejects.toThrow(/no evidence at/)
  })
})
