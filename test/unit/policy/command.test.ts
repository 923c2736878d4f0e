import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { policyCommand } from '../../../src/bin/commands/policy.ts'
import { shippedPolicies } from '../../../src/bin/commands/policy-files.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluicegate-policy-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
  vi.restoreAllMocks()
  process.exitCode = undefined
})

/** Runs `policy …` and gives what it wrote and its exit code. */
async function run(...args: readonly string[]): Promise<{ out: string; err: string; code: number }> {
  const written = { out: '', err: '' }
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((written.out += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((written.err += String(text)), true))
  const program = new Command()
  policyCommand(program)
  await program.parseAsync(['policy', ...args], { from: 'user' })
  return { ...written, code: Number(process.exitCode ?? 0) }
}

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const last = (out: string): unknown => JSON.parse(out.trim().split('\n').at(-1) ?? '')

describe('policy check', () => {
  it('says that the rules that ship are valid', async () => {
    const { code, out, err } = await run('check', shippedPolicies)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/rules are valid \(digest [0-9a-f]{12}\)/)
  })

  it('tells every problem of every file with its line, and exits 3', async () => {
    const bad = file(
      'bad.yaml',
      '- rule: r\n  when: { tool: a, cond: "x <" }\n  decision: maybe\n- rule: s\n  wen: {}\n',
    )
    const { code, out, err } = await run(
      'check',
      bad,
      join(folder, 'none.yaml'),
      file('bytes.yaml', new Uint8Array([0xff, 0xfe])),
    )
    expect(code).toBe(3)
    expect(out).toBe('')
    expect(err).toContain('bad.yaml:3: 0.decision')
    expect(err).toContain("bad.yaml:5: 1.wen: Unknown key 'wen'; did you mean 'when'?")
    expect(err).toContain('none.yaml:1: The file cannot be read: ENOENT')
    expect(err).toContain('bytes.yaml:1: The file cannot be read: it is not UTF-8 text')
  })

  it('warns without failing', async () => {
    const rule = file(
      'warn.yaml',
      '- rule: r\n  when: { tool: orders.export, cond: "len(mask) > 1" }\n  decision: deny\n',
    )
    const { code, err } = await run('check', rule)
    expect(code).toBe(0)
    expect(err).toContain("warn.yaml:1: r.when.cond: A caller that leaves out 'mask' is not denied")
  })

  it('reports as JSON', async () => {
    expect(last((await run('check', '--json', shippedPolicies)).out)).toMatchObject({
      ok: true,
      problems: [],
      warnings: [],
    })
    const bad = file('bad.yaml', 'nothing')
    expect(last((await run('check', '--json', bad)).out)).toMatchObject({ ok: false, problems: [{ line: 1 }] })
  })
})

describe('policy test', () => {
  it('passes the rules that ship', async () => {
    const { code, out } = await run('test', shippedPolicies)
    expect(code).toBe(0)
    expect(out).toMatch(/^\d+ passed, 0 failed, 0 skipped\n$/)
  })

  it('names the failing example and exits 1', async () => {
    const bad = file(
      'bad.yaml',
      '- rule: r\n  when: { tool: a }\n  decision: allow\n  examples:\n    - { name: one, expect: deny }\n',
    )
    const { code, out, err } = await run('test', bad)
    expect(code).toBe(1)
    expect(err).toContain("bad.yaml:1: rule 'r', 'one': expected deny, was allow")
    expect(out).toBe('0 passed, 1 failed, 0 skipped\n')
    expect(last((await run('test', bad, '--json')).out)).toMatchObject({ ok: false, passed: 0, failed: 1 })
  })
})

describe('policy explain', () => {
  it('says which rule denies and why, and exits 1', async () => {
    const { code, out } = await run('explain', '--tool', 'flag.set', '--args', '{"env":"prod","rolloutPct":50}')
    expect(code).toBe(1)
    expect(out).toContain('ticket_required: Denied: ')
    expect(out).toContain('matches  builtin-prod-rollout-needs-ticket (deny)')
    expect(out).not.toContain('builtin-allow-orders-export')
  })

  it('allows with a confirmed ticket only', async () => {
    const args = [
      'explain',
      '--tool',
      'flag.set',
      '--args',
      '{"env":"prod","rolloutPct":50,"ticket":"CHG-1"}',
      '--json',
    ]
    const claimed = await run(...args)
    expect(last(claimed.out)).toMatchObject({ ok: false, ending: 'ticket_required' })
    expect(claimed.err).toContain('only a claim')
    expect(last((await run(...args, '--ticket', 'CHG-1')).out)).toMatchObject({ ok: true, ending: 'allow' })
  })

  it('shows obligations of an EU subject', async () => {
    const { code, out } = await run(
      'explain',
      '--tool',
      'orders.export',
      '--region',
      'EU',
      '--tenant',
      'globex',
      '--sub',
      'agent:copilot',
    )
    expect(code).toBe(0)
    expect(out).toMatch(/^allow\nredact email: mask\nredact phone: mask\nroute eu-west\n/)
  })

  it('follows an alias, and judges the destination in the arguments', async () => {
    const { out } = await run('explain', '--tool', 'web.fetch', '--args', '{"url":"http://169.254.169.254/"}', '--json')
    expect(last(out)).toMatchObject({
      ending: 'policy_denied',
      verdict: { deniedBy: { rule: 'builtin-block-internal-destinations' } },
    })
  })

  it('takes other facts, and other rule files', async () => {
    const rule = file('own.yaml', '- rule: own\n  when: { taint.tainted: true }\n  decision: allow\n')
    const { out, code } = await run(
      'explain',
      '--tool',
      'x',
      '--facts',
      '{"taint":{"tainted":true}}',
      '--policies',
      rule,
    )
    expect(code).toBe(0)
    expect(out).toContain('matches  own (allow)')
  })

  it.each([
    ['--args must be a JSON object', ['--args', '[1]']],
    ['--args must be a JSON object', ['--args', '{']],
    ["--facts: 'data.pii_count' is wrong", ['--facts', '{"data":{"pii_count":"x"}}']],
    ["--facts: '' is wrong", ['--facts', '{"datta":{}}']],
  ])('refuses with %s', async (message, options) => {
    const { code, err } = await run('explain', '--tool', 'x', ...options)
    expect(code).toBe(3)
    expect(err).toContain(message)
  })
})
