import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { evidenceCommand } from '../../../src/bin/commands/evidence.ts'
import { readBundleZip } from '../../../src/adapters/bundle-zip.ts'
import { session } from '../../support/bundles.ts'
import {
  buildStream,
  callEntry,
  deploymentKey,
  startMs,
  writeData,
  temporaryFolder,
} from '../../support/log-mutator.ts'

const stream = buildStream({ records: 20 })
let data: string
let out: string

/** Runs `evidence …`; gives the exit code and what was printed. */
async function run(...args: readonly string[]): Promise<{ readonly code: unknown; readonly lines: readonly string[] }> {
  const printed: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0)
  process.exitCode = 0
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  evidenceCommand(program)
  try {
    await program.parseAsync(['node', 'sluicegate', 'evidence', ...args])
    return { code: process.exitCode, lines: printed.join('').split('\n').slice(0, -1) }
  } finally {
    write.mockRestore()
  }
}

beforeEach(() => {
  data = writeData([{ id: stream.id, segments: [stream.lines] }])
  out = path.join(temporaryFolder(), 'incident.zip')
  mkdirSync(path.join(data, 'keys'))
  const pem = deploymentKey.privateKey.export({ type: 'pkcs8', format: 'pem' })
  writeFileSync(path.join(data, 'keys', 'deployment.pem'), pem, { mode: 0o600 })
})

afterEach(() => {
  process.exitCode = 0
})

describe('evidence list', () => {
  it('prints one line per record, oldest first', async () => {
    const { lines } = await run('list', '--data', data)
    expect(lines).toHaveLength(stream.size)
    expect(lines[1]).toContain('orders.export')
  })

  it('names the session of each call, and says why one was refused', async () => {
    const refused = { ...callEntry(4), ext: { cause: 'aud: The token is for another audience.' } }
    const one = buildStream({ records: 2, entry: (count) => (count === 0 ? callEntry(0) : refused) })
    const { lines } = await run('list', '--data', writeData([{ id: one.id, segments: [one.lines] }]))
    expect(lines.find((line) => line.includes('deny'))).toMatch(
      / policy_denied: aud: The token is for another audience\.$/,
    )
    expect(lines.filter((line) => line.includes('abcdefabcdef-s'))).toHaveLength(2)
  })

  it('prints the stored bytes with --json, filtered, the newest only', async () => {
    const { lines } = await run('list', '--data', data, '--json', '--session', session, '--limit', '2')
    const records = lines.map((line) => JSON.parse(line) as { session: string; seq: number })
    expect(records.map(({ seq }) => seq)).toEqual([7, 8])
    expect(stream.lines.some((line) => line.startsWith(`${lines[0]}\t`))).toBe(true)
  })

  it('takes times as ISO 8601', async () => {
    const { lines } = await run('list', '--data', data, '--until', new Date(startMs + 14).toISOString())
    expect(lines).toHaveLength(3)
  })

  it('cannot be made to steer a terminal', async () => {
    const hostile = buildStream({
      records: 1,
      entry: () => ({ ...callEntry(0), actor: { id: '\u001b[2J\u202e', type: 'agent' } }),
    })
    const { lines } = await run('list', '--data', writeData([{ id: hostile.id, segments: [hostile.lines] }]))
    for (const mark of ['\u001b', '\u202e']) expect(lines.join('')).not.toContain(mark)
  })

  it('refuses a directory without evidence, a bad time and a bad limit', async () => {
    await expect(run('list', '--data', '/nowhere')).rejects.toThrow(/holds no evidence/)
    await expect(run('list', '--data', data, '--since', 'yesterday')).rejects.toThrow(/Give a time/)
    await expect(run('list', '--data', data, '--limit', '-1')).rejects.toThrow(/whole number/)
  })
})

describe('evidence show', () => {
  it('prints records in full, under a sentence', async () => {
    const { lines } = await run('show', '--data', data, '--trace', callEntry(6)['traceId'] as string)
    expect(lines[0]).toMatch(/agent:planner \(globex\) called orders\.export/)
    expect(lines).toContain('  "tenant": "globex",')
  })
})

describe('evidence verify', () => {
  it('exits 0 and says whose keys it believed', async () => {
    const { code, lines } = await run('verify', data)
    expect(code).toBe(0)
    expect(lines).toEqual([expect.stringContaining('own trust.json'), `INTACT: ${stream.size} records in 1 streams`])
  })

  it('prints the fixed JSON', async () => {
    const { lines } = await run('verify', data, '--json', '--jobs', '1')
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ ok: true, records: stream.size, problems: [] })
  })

  it('exits 1 and names the place when a byte was changed', async () => {
    const file = path.join(data, 'streams', 'gw-1', stream.id, 'seg-00000001.log')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('"tenant":"acme"', '"tenant":"evil"'))
    const { code, lines } = await run('verify', data)
    expect(code).toBe(1)
    expect(lines[0]).toMatch(
      /^BAD_RECORD_SIG at stream \w+, seg-00000001\.log, record 2, byte \d+: .* Good up to record 1,/,
    )
    const json = await run('verify', data, '--json')
    const [problem] = (JSON.parse(json.lines.at(-1) ?? '') as { problems: object[] }).problems
    expect(problem).toMatchObject({ code: 'BAD_RECORD_SIG', stream: stream.id, seq: 2 })
  })

  it('exits 2 without trust', async () => {
    expect((await run('verify', path.join(data, 'streams', 'gw-1', stream.id))).code).toBe(2)
  })

  it('holds the log against an anchor', async () => {
    const anchor = path.join(data, 'anchor.txt')
    writeFileSync(anchor, stream.note)
    expect((await run('verify', data, '--anchor', anchor)).code).toBe(0)
    const file = path.join(data, 'streams', 'gw-1', stream.id, 'seg-00000001.log')
    writeFileSync(file, stream.lines.slice(0, 7).join(''))
    const { code, lines } = await run('verify', data, '--anchor', anchor)
    expect(code).toBe(1)
    expect(lines[0]).toMatch(/^TRUNCATED /)
  })

  it('misses a stream that an anchor names', async () => {
    const anchor = path.join(data, 'anchor.txt')
    writeFileSync(anchor, stream.note.replaceAll(stream.id, `${stream.id.slice(0, -1)}9`))
    const { code, lines } = await run('verify', data, '--anchor', anchor)
    expect([code, lines[0]]).toEqual([1, expect.stringMatching(/^STREAM_MISSING at stream/)])
  })

  it('rejects what cannot be judged: no such path, no trust file, no anchor', async () => {
    await expect(run('verify', '/nowhere')).rejects.toThrow(/nowhere/)
    await expect(run('verify', data, '--trust', path.join(data, 'absent.json'))).rejects.toThrow(/absent/)
    await expect(run('verify', data, '--trust', out)).rejects.toThrow()
    const anchor = path.join(data, 'anchor.txt')
    writeFileSync(anchor, 'hello')
    await expect(run('verify', data, '--anchor', anchor)).rejects.toThrow(/holds no checkpoint/)
  })
})

describe('evidence export', () => {
  it('writes a bundle that verifies, and records itself in the log', async () => {
    const exported = await run(
      'export',
      '--data',
      data,
      '--session',
      session,
      '--out',
      out,
      '--attach',
      'SEC-9',
      '--requester',
      'eve',
      '--json',
    )
    expect(JSON.parse(exported.lines.at(-1) ?? '')).toMatchObject({ ok: true, out, counts: { records: 4 } })
    expect((await run('verify', out, '--trust', path.join(data, 'trust.json'))).code).toBe(0)
    expect((await run('verify', data)).code).toBe(0)
    const listed = await run('list', '--data', data, '--json')
    const record = listed.lines
      .map((line) => JSON.parse(line) as { type: string; ext: object })
      .find(({ type }) => type === 'export')
    expect(record?.ext).toEqual({ query: { session }, requester: 'eve', ticket: 'SEC-9' })
  })

  it('adds the policy and detection files it is given', async () => {
    const rule = path.join(data, 'rule.yml')
    writeFileSync(rule, 'name: x\n')
    await run('export', '--data', data, '--session', session, '--out', out, '--policy', rule, '--detections', rule)
    const files = await readBundleZip(readFileSync(out))
    expect([...files.keys()]).toEqual(expect.arrayContaining(['policy/rule.yml', 'detections/rule.yml']))
  })

  it('refuses two questions at once, and none', async () => {
    const where = ['--data', data, '--out', out]
    await expect(run('export', ...where, '--session', 'a', '--trace', 'b')).rejects.toThrow(/Say what to export/)
    await expect(run('export', ...where)).rejects.toThrow(/Say what to export/)
  })

  it('refuses without the key that must sign the bundle', async () => {
    const bare = writeData([{ id: stream.id, segments: [stream.lines] }])
    await expect(run('export', '--data', bare, '--session', session, '--out', out)).rejects.toThrow(
      /deployment\.pem is missing/,
    )
  })
})
