import { describe, expect, it, vi } from 'vitest'
import type { CommandLog } from '../../../src/adapters/command-log-file.ts'
import { switchboard } from '../../../src/apps/switchboard.ts'
import type { HaltQuery } from '../../../src/call/halt.ts'
import type { Command } from '../../../src/control/command.ts'
import type { EvidenceEntry } from '../../../src/evidence/record.ts'
import { aReceipt } from '../../support/calls.ts'
import { testClock } from '../../support/clock.ts'

const operator = { kind: 'operator', name: 'ana' } as const
const order = { kind: 'tool', target: 'flag.set', reason: 'drill' } as const
const query: HaltQuery = { tenant: 'acme', session: 's', actor: 'a', tool: 'flag.set', effect: 'write', scopes: [] }

/** A switchboard over logs in memory. `write` decides what becomes of an order on its way to the disk. */
function bench(write: () => Promise<void> = async () => undefined, replayed: readonly Command[] = []) {
  const clock = testClock()
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
  const board = switchboard({ commands, log, clock, operator: signer, detector: signer, fault })
  board.close()
  return { board, clock, written, evidence, fault }
}

describe('an order', () => {
  it('holds from the moment it is given, before it is durable', async () => {
    let durable = (): void => undefined
    const { board } = bench(() => new Promise((resolve) => (durable = resolve)))
    const engaged = board.engage(order, operator, 'sw-1')
    expect(board.forbids(query)).toMatchObject({ switchId: 'sw-1', code: 'quarantined' })
    durable()
    await engaged
    expect(board.forbids(query)).toMatchObject({ switchId: 'sw-1' })
    expect(board.list()).toHaveLength(1)
  })

  it('that could not be written down holds all the same, and whoever gave it is told', async () => {
    const { board, clock } = bench(() => Promise.reject(new Error('disk full')))
    await expect(board.engage(order, operator)).rejects.toThrow('disk full')
    expect(board.forbids(query)).toMatchObject({ code: 'quarantined' })
    clock.advance(3_600_000)
    expect(board.forbids(query)).toBeUndefined()
  })

  it('and its release are evidence, with who and why', async () => {
    const { board, evidence } = bench()
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
    const first = bench()
    await first.board.engage({ ...order, ttlMs: 60_000 }, operator)
    const second = bench(undefined, first.written)
    expect(second.board.forbids(query)).toMatchObject({ code: 'quarantined' })
    second.clock.advance(60_000)
    expect(second.board.forbids(query)).toBeUndefined()
  })

  it('releases nothing that is not engaged', async () => {
    const { board, written } = bench()
    expect(await board.release('sw-none', 'x', operator)).toBeUndefined()
    expect(written).toEqual([])
  })

  it('of many at once is kept: none is forgotten while the disk is slow', async () => {
    let free = (): void => undefined
    const wait = new Promise<void>((resolve) => (free = resolve))
    const { board } = bench(() => wait)
    const given = Array.from({ length: 200 }, (_, n) => board.engage({ ...order, target: `tool-${n}` }, operator))
    for (const n of [0, 100, 199]) expect(board.forbids({ ...query, tool: `tool-${n}` })).toBeDefined()
    free()
    await Promise.all(given)
    expect(board.list()).toHaveLength(200)
  })
})
