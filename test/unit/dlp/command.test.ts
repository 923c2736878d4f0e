import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

function dlp(input: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/bin/sluicegate.ts', 'dlp', 'scan', ...args], {
    input,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

describe('dlp scan', () => {
  it('tells line, column, kind and reason, never the value', () => {
    const { status, stdout } = dlp('first\nmail canary@mail.example', '-')
    expect(status).toBe(0)
    expect(stdout).toContain('2:6  email  0.95  shape')
    expect(stdout).not.toContain('canary')
  })

  it('reports paths of JSON as one object with --json', () => {
    const { stdout } = dlp('{"rows":[{"ssn":"123-45-6789"}]}', '-', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, count: 1, kinds: { ssn: 1 }, list: [{ path: 'rows.0.ssn' }] })
  })

  it('ends with 2 beyond the limits, and with 3 when there is no file', () => {
    expect(dlp('x'.repeat(1_100_000), '-')).toMatchObject({ status: 2, stdout: '' })
    expect(dlp('', 'no-such-file')).toMatchObject({ status: 3, stdout: '' })
  })
})
