import { memoryState } from '../../src/adapters/state-memory.ts'
import { grantDesk, type GrantDesk } from '../../src/apps/grant-desk.ts'
import type { GrantRules } from '../../src/apps/grant-rules.ts'
import { grantStore } from '../../src/apps/grant-store.ts'
import type { Question } from '../../src/call/approve.ts'
import type { EvidenceEntry } from '../../src/evidence/record.ts'
import type { StateStore } from '../../src/ports/state-store.ts'
import { aReceipt, someone } from './calls.ts'
import { testClock, type TestClock } from './clock.ts'

/** A desk over a state of its own, and what it wrote down. */
export interface TestDesk {
  readonly desk: GrantDesk
  readonly clock: TestClock
  readonly state: StateStore
  readonly entries: readonly EvidenceEntry[]
  readonly faults: readonly unknown[]
  /** The next record cannot be written. */
  breakLog(): void
}

export interface TestDeskOptions {
  readonly state?: StateStore
  readonly clock?: TestClock
  readonly rules?: Partial<GrantRules>
}

export async function testDesk({
  state = memoryState(),
  clock = testClock(),
  rules,
}: TestDeskOptions = {}): Promise<TestDesk> {
  const entries: EvidenceEntry[] = []
  const faults: unknown[] = []
  let broken = false
  let ids = 0
  const append = async (entry: EvidenceEntry) => {
    if (broken) {
      broken = false
      throw new Error('disk full')
    }
    entries.push(entry)
    return aReceipt
  }
  const desk = await grantDesk({
    store: grantStore(state, clock, (error) => faults.push(error)),
    log: { append } as never,
    clock,
    id: () => `gr-${clock.monoNs()}-${(ids += 1)}`,
    rules: {
      scopes: () => ['orders.read', 'flags.write:prod', 'crm.write'],
      denied: () => [],
      halted: () => undefined,
      ticket: async () => undefined,
      order: async () => undefined,
      ...rules,
    },
    tame: (_tenant, text) => text,
    fault: (error) => faults.push(error),
  })
  return { desk, clock, state, entries, faults, breakLog: () => (broken = true) }
}

/** A call that needs a person. */
export function aQuestion(more: Partial<Question> = {}): Question {
  return {
    who: someone,
    tool: 'flag.set',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    binding: 'b-1',
    policy: 'p-1',
    args: { name: 'checkout' },
    because: ['ask-first'],
    reason: 'a person must look',
    ...more,
  }
}
