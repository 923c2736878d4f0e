import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Changes, RefusedChange } from '../../../src/apps/change.ts'
import { gatewayOptions } from '../../../src/apps/from-config.ts'
import type { Surroundings } from '../../../src/apps/surroundings.ts'
import { kept } from '../../../src/apps/kept.ts'
import type { GatewayOptions } from '../../../src/apps/options.ts'
import { reloads, type Reloads } from '../../../src/apps/reload.ts'
import { loadConfig } from '../../../src/config/load.ts'

let folder: string
const file = (name: string) => join(folder, name)
/** Whole from the first moment: who looks in between would see another problem. */
function write(name: string, text: string): void {
  writeFileSync(file(`${name}.new`), text)
  renameSync(file(`${name}.new`), file(name))
}
const configuration = (token = '') => `
mode: development
auth: { tenants: { acme: { home: US } } }
services: { flags: { regions: { us-east: 'http://127.0.0.1:1' }${token} } }
`
const withToken = configuration(", token: 'file:flags.token'")

/** What a reload told, and how often the files were read for it. */
interface Told {
  attempts: number
  readonly refused: RefusedChange[]
  readonly recorded: RefusedChange[]
  readonly changed: string[]
  /** What an append of `config.refused` says while there is one to say it. */
  writable: boolean
}

let open: Reloads | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluicegate-again-'))
  write('sluicegate.yaml', configuration())
})
afterEach(async () => {
  await open?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Reloads that look every millisecond, with everything below them replaced but the files. */
async function following(hold: () => Promise<void> = async () => undefined) {
  const told: Told = { attempts: 0, refused: [], recorded: [], changed: [], writable: true }
  const around: Surroundings = { data: folder, environment: {}, report: () => undefined }
  const loaded = loadConfig(file('sluicegate.yaml'))
  let inForce: GatewayOptions = await gatewayOptions(loaded, around)
  const changes: Changes = {
    now: () => inForce,
    async change(next) {
      await hold()
      inForce = next
      told.changed.push(next.configDigest)
    },
    unchanged: () => undefined,
    refused: async (change) => (told.refused.push(change), told.writable),
    record: async (change) => (told.recorded.push(change), told.writable),
  }
  open = reloads({
    changes,
    loaded,
    reread: () => ((told.attempts += 1), loadConfig(file('sluicegate.yaml'))),
    complete: (config) => config,
    around,
    kept: kept(),
    nowMs: () => 0,
    fault: (error) => expect.fail(String(error)),
    everyMs: 1,
  })
  return { told, one: open }
}

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 30_000, interval: 5 })

describe('a refused reload whose problem lies outside the files', () => {
  it('is tried again, told once, and in force once the problem is gone', async () => {
    const { told, one } = await following()
    write('sluicegate.yaml', withToken)
    await until(() => expect(told.refused).toHaveLength(1))
    const attempts = told.attempts
    await until(() => expect(told.attempts).toBeGreaterThan(attempts + 3))
    expect([told.refused.length, told.changed.length]).toEqual([1, 0])
    expect(one.state().refused?.problems).toEqual([expect.stringContaining('flags.token')])

    write('flags.token', 'secret')
    await until(() => expect(told.changed).toEqual([loadConfig(file('sluicegate.yaml')).digest]))
    expect([told.refused.length, told.recorded.length, one.state().refused]).toEqual([1, 0, undefined])
  })

  it('is told again when it is another problem', async () => {
    const { told } = await following()
    write('sluicegate.yaml', withToken)
    await until(() => expect(told.refused).toHaveLength(1))
    write('flags.token', '')
    await until(() => expect(told.refused).toHaveLength(2))
    expect(told.refused[0]?.problems).not.toEqual(told.refused[1]?.problems)
    expect(told.refused[0]?.digest).toBe(told.refused[1]?.digest)
  })

  it('is written down as soon as it can be, without another alert', async () => {
    const { told } = await following()
    told.writable = false
    write('sluicegate.yaml', withToken)
    await until(() => expect(told.recorded.length).toBeGreaterThan(1))
    told.writable = true
    const { length } = told.recorded
    await until(() => expect(told.recorded).toHaveLength(length + 1))
    const { attempts } = told
    await until(() => expect(told.attempts).toBeGreaterThan(attempts + 1))
    expect([told.refused.length, told.recorded.length]).toEqual([1, length + 1])
  })

  it('is tried no more once the file is as it was', async () => {
    const { told, one } = await following()
    write('sluicegate.yaml', withToken)
    await until(() => expect(told.refused).toHaveLength(1))
    write('sluicegate.yaml', configuration())
    await until(() => expect(one.state().refused).toBeUndefined())
    expect(told.changed).toEqual([])
  })
})

describe('a reload that is asked for while another is under way', () => {
  it('begins when that one has ended, with the files as they are then, and answers all who asked', async () => {
    const held = Promise.withResolvers<void>()
    const holding = vi.fn(() => held.promise)
    const { told, one } = await following(holding)
    write('sluicegate.yaml', `${configuration()}limits: { tenants: { acme: { rpm: 7 } } }\n`)
    const first = one.reload()
    await until(() => expect(holding).toHaveBeenCalledOnce())
    const { attempts } = told
    const last = `${configuration()}limits: { tenants: { acme: { rpm: 8 } } }\n`
    write('sluicegate.yaml', last)
    const more = [one.reload(), one.reload()]
    expect(told.attempts).toBe(attempts)
    held.resolve()
    const { digest } = loadConfig(file('sluicegate.yaml'))
    expect((await first).digest).not.toBe(digest)
    expect(await Promise.all(more)).toEqual([1, 2].map(() => ({ kind: 'loaded', digest })))
    expect(told.changed).toEqual([(await first).digest, digest])
  })
})

describe('a reload and a stop at once', () => {
  it('end the attempt under way, refuse the one that waits, and begin no other', async () => {
    const held = Promise.withResolvers<void>()
    const holding = vi.fn(() => held.promise)
    const { told, one } = await following(holding)
    write('sluicegate.yaml', `${configuration()}limits: { tenants: { acme: { rpm: 7 } } }\n`)
    const first = one.reload()
    await until(() => expect(holding).toHaveBeenCalledOnce())
    write('sluicegate.yaml', configuration())
    const [waiting, { attempts }] = [one.reload(), told]
    let closed = false
    const closing = one.close().then(() => (closed = true))
    await new Promise(setImmediate)
    expect(closed).toBe(false)
    held.resolve()
    await closing
    expect((await first).kind).toBe('loaded')
    const refused = { kind: 'refused', problems: [expect.stringContaining('stopping')] }
    expect([await waiting, await one.reload()]).toMatchObject([refused, refused])
    expect([told.attempts, told.changed.length, told.refused.length]).toEqual([attempts, 1, 0])
  })
})
