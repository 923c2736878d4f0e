import { describe, expect, it, vi } from 'vitest'
import type { CommandLog } from '../../../src/adapters/command-log-file.ts'
import { switchboard } from '../../../src/apps/switchboard.ts'
import type { HaltQuery } from '../../../src/call/halt.ts'
import type { ToolNames } from '../../../src/control/aim.ts'
import type { Command } from '../../../src/control/command.ts'
import { engage } from '../../../src/control/order.ts'
import { switchesMax } from '../../../src/control/switches.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { aReceipt } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

const operator = { kind: 'operator', name: 'ana' } as const
const order = { kind: 'tool', target: 'flag.set', reason: 'drill' } as const
const query: HaltQuery = { tenant: 'acme', session: 's', actor: 'a', tool: 'flag.set', effect: 'write', scopes: [] }

const tools: ToolNames = {
  own: (name) => (name === 'flag' ? 'flag.set' : /^(flag\.set|tool-\d+)$/.test(name) ? name : undefined),
  all: ['flag.set'],
}

/** A switchboard over logs in memory. `write` decides what becomes of an order on its way to the disk. */
async function bench(
  write: () => Promise<void> = async () => undefined,
  replayed: readonly Command[] = [],
  { open = false, laterMs = 0 } = {},
) {
  const clock = testClock()
  clock.advance(laterMs)
  const written: Command[] = []
  const evidence: EvidenceEntry[] = []
  const fault = vi.fn()
  const append: CommandLog['append'] = async (make) => {
    await write()
    const command = make(replayed.length + written.length)
    written.push(command)
    return command
  }
  const commands: CommandLog = { replayed, tornBytes: 0, append, close: async () => undefined }
  const log = { append: async (entry: EvidenceEntry) => (evidence.push(entry), aReceipt) } as never
  const signer = {} as never
  const board = switchboard({ commands, log, clock, tools, operator: signer, detector: signer, fault })
  if (!open) await board.close()
  return { board, clock, written, evidence, fault }
}

describe('an order', () => {
  it('holds from the moment it is given, before it is durable', async () => {
    let durable = (): void => undefined
    const { board } = await bench(() => new Promise((resolve) => (durable = resolve)))
    const engaged = board.engage(order, operator, 'sw-1')
    expect(board.forbids(query)).toMatchObject({ switchId: 'sw-1', code: 'quarantined' })
    durable()
    await engaged
    expect(board.forbids(query)).toMatchObject({ switchId: 'sw-1' })
    expect(board.list()).toHaveLength(1)
  })

  it('that could not be written down holds all the same, and whoever gave it is told', async () => {
    const { board, clock } = await bench(() => Promise.reject(new Error('disk full')))
    await expect(board.engage(order, operator)).rejects.toThrow('disk full')
    expect(board.forbids(query)).toMatchObject({ code: 'quarantined' })
    clock.advance(3_600_000)
    expect(board.forbids(query)).toBeUndefined()
  })

  it('and its release are evidence, with who and why', async () => {
    const { board, evidence } = await bench()
    const { id } = await board.engage({ ...order, ttlMs: 60_000 }, operator)
    await board.release(id, 'over', operator)
    expect(evidence).toMatchObject([
      {
        type: 'kill.apply',
        ext: { id, kind: 'tool', target: 'flag.set', reason: 'drill', ttlMs: 60_000, issuedBy: operator },
      },
      { type: 'kill.release', ext: { id, reason: 'over', issuedBy: operator } },
    ])
    expect(board.forbids(query)).toBeUndefined()
  })

  it('is in force again after a restart, for what is left of its time', async () => {
    const first = await bench()
    await first.board.engage({ ...order, ttlMs: 60_000 }, operator)
    const second = await bench(undefined, first.written)
    expect(second.board.forbids(query)).toMatchObject({ code: 'quarantined' })
    second.clock.advance(60_000)
    expect(second.board.forbids(query)).toBeUndefined()
  })

  it('releases nothing that is not engaged', async () => {
    const { board, written } = await bench()
    expect(await board.release('sw-none', 'x', operator)).toBeUndefined()
    expect(written).toEqual([])
  })

  it('of many at once is kept: none is forgotten while the disk is slow', async () => {
    let free = (): void => undefined
    const wait = new Promise<void>((resolve) => (free = resolve))
    const { board } = await bench(() => wait)
    const given = Array.from({ length: 200 }, (_, n) => board.engage({ ...order, target: `tool-${n}` }, operator))
    for (const n of [0, 100, 199]) expect(board.forbids({ ...query, tool: `tool-${n}` })).toBeDefined()
    free()
    await Promise.all(given)
    expect(board.list()).toHaveLength(200)
  })

  it('that was given before changes nothing', async () => {
    const { board, written } = await bench()
    await board.engage(order, operator, 'sw-1')
    expect(await board.engage({ ...order, reason: 'again' }, operator, 'sw-1')).toMatchObject({ reason: 'drill' })
    expect(written).toHaveLength(1)
  })

  it('names a tool by any of its names, also when an old log holds it', async () => {
    const first = await bench()
    expect(await first.board.engage({ ...order, target: 'flag' }, operator)).toMatchObject({ target: 'flag.set' })
    const old = first.written.map((command) => ({ ...command, target: 'flag' }) as Command)
    expect((await bench(undefined, old)).board.forbids(query)).toMatchObject({ code: 'quarantined' })
    const limits = { ...order, kind: 'limits', target: 'flag', set: { rpm: 1 } } as const
    await first.board.engage(limits, operator)
    expect(first.board.limitsFor({ tenant: 'acme', actor: '', tool: 'flag.set' })).toEqual({ rpm: 1 })
  })

  const detector = { kind: 'detector', rule: 'r', version: 1, digest: 'd' } as const
  it.each([
    [{ ...order, target: 'Flag.Set' }, operator, /no tool 'Flag.Set'; did you mean 'flag.set'\?/],
    [{ ...order, target: 'nothing' }, operator, /no tool 'nothing'; there are flag.set/],
    [{ ...order, kind: 'limits', target: 'Flag.Set', set: { rpm: 1 } }, operator, /did you mean/],
    [{ ...order, kind: 'tenant', target: 'acme' }, detector, /may not engage a tenant switch/],
    [{ ...order, kind: 'read-only', target: 'all' }, detector, /may not stop everyone/],
    [{ ...order, ttlMs: 25 * 3_600_000 }, detector, /a day at most/],
    [{ ...order, kind: 'consumer', target: 'siem' }, operator, /nothing obeys/],
  ] as const)('like %j is refused, and neither holds nor is written', async (request, by, why) => {
    const { board, written, evidence } = await bench()
    await expect(board.engage(request, by)).rejects.toThrow(why)
    expect([board.list(), written, evidence]).toEqual([[], [], []])
  })
})

describe('an order that is not durable', () => {
  const broken = () => bench(() => Promise.reject(new Error('disk full')))

  it('is listed as such, lowers limits, takes rights, and can be released', async () => {
    const { board, evidence } = await broken()
    const limits = { ...order, kind: 'limits', target: 'acme', set: { rpm: 1 } } as const
    await expect(board.engage(limits, operator, 'sw-1')).rejects.toThrow('disk full')
    await expect(board.engage({ ...order, kind: 'grant', target: 'crm.write' }, operator, 'sw-2')).rejects.toThrow()
    expect(board.list()).toMatchObject([
      { id: 'sw-1', durable: false },
      { id: 'sw-2', durable: false },
    ])
    const who = { tenant: 'acme', actor: 'a' }
    expect(board.limitsFor({ ...who, tool: '' })).toEqual({ rpm: 1 })
    expect(board.rightsOf({ ...who, rights: ['crm.write', 'orders.read'] })).toEqual(['orders.read'])
    expect(await board.release('sw-1', 'over', operator)).toMatchObject({ id: 'sw-1' })
    expect(board.list()).toMatchObject([{ id: 'sw-2' }])
    expect(board.limitsFor({ ...who, tool: '' })).toEqual({})
    expect(evidence).toMatchObject([{ type: 'kill.release', ext: { id: 'sw-1' } }])
  })

  it('is never forgotten for a newer one: the newer one is refused', async () => {
    const { board } = await broken()
    const give = (n: number) => board.engage({ ...order, target: `tool-${n}` }, operator)
    for (let n = 0; n < 1_000; n++) await expect(give(n)).rejects.toThrow('disk full')
    await expect(give(1_000)).rejects.toThrow(/1000 orders wait for the disk/)
    expect(board.forbids({ ...query, tool: 'tool-0' })).toBeDefined()
    expect(board.forbids({ ...query, tool: 'tool-1000' })).toBeUndefined()
  })
})

describe('a switchboard', () => {
  it('refuses an order beyond its room before it is written', async () => {
    const engaged = Array.from({ length: switchesMax }, (_, seq) =>
      engage(
        { ...order, target: `tool-${seq}` },
        { id: `sw-${seq}`, seq, atMs: testClock().nowMs(), issuedBy: operator },
      ),
    )
    const { board, clock, written } = await bench(undefined, engaged)
    await expect(board.engage(order, operator)).rejects.toThrow(/10000 switches are engaged; release some/)
    expect(written).toEqual([])
    clock.advance(3_600_000)
    await board.engage(order, operator)
    expect(written).toHaveLength(1)
  })

  it('writes down once that a time was up, however often it starts', async () => {
    vi.useFakeTimers()
    try {
      const first = await bench()
      await first.board.engage({ ...order, ttlMs: 1_000 }, operator, 'sw-1')
      let log = first.written
      const released: number[] = []
      for (let start = 0; start < 3; start++) {
        const again = await bench(undefined, log, { open: true, laterMs: 5_000 })
        await vi.advanceTimersByTimeAsync(3_000)
        await again.board.close()
        released.push(again.evidence.filter(({ type }) => type === 'kill.release').length)
        log = [...log, ...again.written]
      }
      expect(released).toEqual([1, 0, 0])
      expect(log.map(({ action, id }) => [action, id])).toEqual([
        ['engage', 'sw-1'],
        ['release', 'sw-1'],
      ])
    } finally {
      vi.useRealTimers()
    }
  })
})
