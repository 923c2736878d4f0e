import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { nodeFiles } from '../../../src/adapters/files.ts'
import { takeLock } from '../../../src/adapters/process-lock.ts'
import { temporary } from '../../support/evidence.ts'

describe('the lock', () => {
  it('is held by one, until it is released', async () => {
    using place = temporary()
    const file = path.join(place.directory, 'lock')
    const lock = await takeLock(nodeFiles(), file)
    await expect(takeLock(nodeFiles(), file)).rejects.toThrow(`held by process ${process.pid}; stop it first`)
    await lock.release()
    await (await takeLock(nodeFiles(), file)).release()
    expect(readdirSync(place.directory)).toEqual([])
  })

  it('passes to one of many when its holder is dead', async () => {
    using place = temporary()
    const file = path.join(place.directory, 'lock')
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    writeFileSync(file, `${child.pid} gone/1\n`)
    const takes = await Promise.allSettled(Array.from({ length: 20 }, () => takeLock(nodeFiles(), file)))
    expect(takes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(readFileSync(file, 'utf8')).toContain(`${process.pid} `)
    expect(readdirSync(place.directory)).toEqual(['lock'])
  })

  it('passes on when its number belongs to a later process, as in a container that starts again', async () => {
    using place = temporary()
    const file = path.join(place.directory, 'lock')
    writeFileSync(file, `${process.pid} an-earlier-incarnation\n`)
    await (await takeLock(nodeFiles(), file)).release()
  })

  it.each(['', 'rubbish', '0 x\n', '-1 x\n'])('is not taken over when it cannot be read: %j', async (text) => {
    using place = temporary()
    const file = path.join(place.directory, 'lock')
    writeFileSync(file, text)
    await expect(takeLock(nodeFiles(), file)).rejects.toThrow('is no lock of this program')
  })
})
