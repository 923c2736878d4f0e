import { chmodSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fileMark, markOf } from '../../../src/adapters/file-mark.ts'
import { pastLastChange, rewriteUnseen, writeDated } from '../../support/file-times.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluicegate-mark-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function made(name: string): string {
  const file = join(folder, name)
  writeDated(file, 'one')
  return file
}

describe('the mark of a file', () => {
  it('stays the same while nothing changes', async () => {
    const file = made('still')
    expect(await fileMark(file)).toBe(await fileMark(file))
  })

  it.each<readonly [string, (file: string) => void]>([
    ['is written, with its size and time kept', (file) => rewriteUnseen(file, 'two')],
    ['is opened to others', (file) => (pastLastChange(file), chmodSync(file, 0o666))],
    ['is replaced by another of the same size and time', (file) => renameSync(made('other'), file)],
    ['is touched', (file) => utimesSync(file, 2_000_000, 2_000_000)],
    ['is cut', (file) => writeFileSync(file, 'on')],
  ])('changes when it %s', async (_what, change) => {
    const file = made('changed')
    const before = await fileMark(file)
    change(file)
    expect(await fileMark(file)).not.toBe(before)
  })

  it('is that of the file a link leads to', async () => {
    const [file, link] = [made('target'), join(folder, 'link')]
    symlinkSync(file, link)
    expect(await fileMark(link)).toBe(await fileMark(file))
  })

  it.each(['ino', 'ctimeNs', 'mtimeNs', 'size'] as const)('tells files apart by %s alone', (part) => {
    const found = statSync(made('part'), { bigint: true })
    const { ino, ctimeNs, mtimeNs, size } = found
    const one = { ino, ctimeNs, mtimeNs, size }
    expect(markOf({ ...one, [part]: one[part] + 1n })).not.toBe(markOf(one))
  })

  it('rejects where there is no file', async () => {
    await expect(fileMark(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
