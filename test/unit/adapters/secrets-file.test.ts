import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { emptyGraceMs, fileSecret, secretBytesMax } from '../../../src/adapters/secrets-file.ts'
import { testClock } from '../../support/clock.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluicegate-secrets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const canary = 'canary-7f3a9c51'

function secretAt(name: string, text: string, ownerOnly = true) {
  const file = path.join(folder, name)
  writeFileSync(file, text, { mode: 0o400 })
  chmodSync(file, 0o600)
  const clock = testClock()
  const faults: string[] = []
  const fault = (error: Error) => void faults.push(error.message)
  const secret = fileSecret({ name: `test.${name}`, path: file, ownerOnly, clock, fault })
  const later = () => {
    clock.advance(1_000)
    return secret.current()
  }
  return { file, clock, faults, secret, later }
}

describe('a secret in a file', () => {
  it('is its text without the final newline', () => {
    expect(secretAt('plain', 'one two').secret.current()).toBe('one two')
    expect(secretAt('unix', 'one\n').secret.current()).toBe('one')
    expect(secretAt('dos', 'one\r\n').secret.current()).toBe('one')
  })

  it('is the new one within a second of a rotation: written in place, renamed over, or behind a swapped link', () => {
    const { file, clock, secret, later, faults } = secretAt('rotated', 'old')
    writeFileSync(file, 'new-in-place')
    expect(secret.current()).toBe('old')
    expect(later()).toBe('new-in-place')

    writeFileSync(`${file}.draft`, 'renamed', { mode: 0o400 })
    renameSync(`${file}.draft`, file)
    expect(later()).toBe('renamed')

    const swapped = path.join(folder, 'swapped')
    writeFileSync(swapped, 'behind-a-link', { mode: 0o400 })
    symlinkSync(swapped, `${file}.link`)
    renameSync(`${file}.link`, file)
    clock.advance(1_000)
    expect(secret.current()).toBe('behind-a-link')
    expect(faults).toEqual([])
  })

  it('counts how often another value took over, and the looks that gave none', () => {
    const { file, clock, secret, later } = secretAt('counted', 'one')
    const counts = () => (clock.advance(1_000), secret.counts?.())
    expect(counts()).toEqual({ rotations: 0, failures: 0 })
    writeFileSync(file, 'two-two')
    expect(counts()).toEqual({ rotations: 1, failures: 0 })
    rmSync(file)
    expect(later).toThrow('withdrawn')
    expect(counts()).toEqual({ rotations: 1, failures: 2 })
    writeFileSync(file, 'two-two', { mode: 0o600 })
    expect([later(), counts()]).toEqual(['two-two', { rotations: 1, failures: 2 }])
  })

  it('is withdrawn with its file, told once, and back with it', () => {
    const { file, faults, later } = secretAt('gone', canary)
    rmSync(file)
    for (let n = 0; n < 3; n++) expect(later).toThrow('The secret of test.gone is withdrawn')
    expect(faults).toEqual([`${file}, the secret of test.gone, is not there.`])
    writeFileSync(file, 'again', { mode: 0o600 })
    expect(later()).toBe('again')
  })

  it('serves its last value while the file is empty, for ten seconds, and is then withdrawn', () => {
    const { file, clock, secret, faults, later } = secretAt('empty', canary)
    writeFileSync(file, '')
    expect(later()).toBe(canary)
    clock.advance(emptyGraceMs)
    expect(secret.current()).toBe(canary)
    expect(later).toThrow('withdrawn')
    expect(later).toThrow('withdrawn')
    expect(faults).toEqual([expect.stringContaining('holds no secret'), expect.stringContaining('still empty')])
    writeFileSync(file, 'finished')
    expect(later()).toBe('finished')
  })

  it.each([
    ['open to its group', (file: string) => chmodSync(file, 0o640), /can be read by others; run "chmod 400/],
    ['open to everybody', (file: string) => chmodSync(file, 0o604), /can be read by others/],
    ['a directory', (file: string) => (rmSync(file), mkdirSync(file)), /is no regular file/],
    [
      'a pipe',
      (file: string) => (rmSync(file), execFileSync('sh', ['-c', `mkfifo -m 600 "${file}"`])),
      /is no regular file/,
    ],
    ['too large', (file: string) => writeFileSync(file, 'x'.repeat(secretBytesMax + 1)), /is larger than 65536 bytes/],
    ['several lines', (file: string) => writeFileSync(file, `${canary}\r\nx: y`), /one line of printable ASCII/],
    ['bytes', (file: string) => writeFileSync(file, Buffer.from([0xff, 0xfe, 0x00])), /one line of printable ASCII/],
  ])('is refused at the start and withdrawn later when it is %s, without a word of it', (name, spoil, why) => {
    const { file, clock, faults, secret, later } = secretAt(name.replaceAll(' ', '-'), canary)
    spoil(file)
    expect(later).toThrow('withdrawn')
    expect(faults).toEqual([expect.stringMatching(why)])
    const again = () => fileSecret({ name: 'test.again', path: file, ownerOnly: true, clock, fault: () => undefined })
    expect(again).toThrow(why)
    expect(JSON.stringify([faults, secret])).not.toContain(canary)
  })

  it('is refused at the start when there is none', () => {
    const options = { name: 'test.none', ownerOnly: true, clock: testClock(), fault: () => undefined }
    expect(() => fileSecret({ ...options, path: path.join(folder, 'none') })).toThrow('is not there')
    const file = path.join(folder, 'nothing')
    writeFileSync(file, '\n', { mode: 0o600 })
    expect(() => fileSecret({ ...options, path: file })).toThrow('holds no secret for test.none')
  })

  it('may be readable by others in development', () => {
    const { file, later } = secretAt('lax', 'old', false)
    chmodSync(file, 0o644)
    expect(later()).toBe('old')
  })

  it('tells its age in whole days since it was written', () => {
    const { file, clock, secret } = secretAt('aged', 'old')
    const days = (count: number) => new Date(clock.nowMs() - count * 86_400_000 - 60_000)
    utimesSync(file, days(61), days(61))
    clock.advance(1_000)
    expect(secret.ageDays()).toBe(61)
    rmSync(file)
    clock.advance(1_000)
    expect(secret.ageDays()).toBeUndefined()
  })
})
