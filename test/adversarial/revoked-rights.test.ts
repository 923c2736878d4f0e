import { afterEach, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTool } from '../../src/tools/define.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'

let gate: TestGateway | undefined
afterEach(() => gate?.close())

const unmasked = 'orders.read:unmasked'
const as = { sub: 'agent:clerk', grants: ['orders.read', unmasked], sid: 'one' }
const days = { from: '2025-09-01', to: '2025-09-01' }

/** Tells which rights the gateway says its caller has. */
const rightsTool = defineTool<object>({
  name: 'rights.show',
  title: 'Rights',
  description: 'Which rights are in force.',
  args: z.strictObject({}),
  effect: 'read',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  costUsd: 0,
  visibleWith: ['orders.read'],
  scopes: () => [],
  examples: [],
  invoke: async (_args, { grants }) => ({ content: [{ type: 'text', text: grants.join(' ') }] }),
})

it.each([unmasked, `agent:clerk/${unmasked}`])(
  'a right revoked by a switch on %s counts neither for policy, which masks again, nor for the tool, until it is released',
  async (target) => {
    const rule = { rule: 'allow-rights', when: { tool: 'rights.show' }, decision: 'allow' }
    gate = await openTestGateway({ tools: [rightsTool], over: { policies: ['builtin', rule] } })
    const { call, started } = gate
    const by = { kind: 'operator', name: 'test' } as const
    const seen = async () => {
      const orders = await call('orders.export', days, { as })
      const rows = orders.structured?.['rows'] as readonly { readonly email?: string }[]
      expect(orders.ended).toBe('ok')
      const masked = rows.every(({ email }) => email === undefined || email === '***@***')
      return [masked, (await call('rights.show', {}, { as })).text]
    }
    expect(await seen()).toEqual([false, `orders.read ${unmasked}`])
    const order = { kind: 'grant', target, reason: 'test', ttlMs: 60_000 } as const
    const { id } = await started.gateway.switches.engage(order, by)
    expect(await seen()).toEqual([true, 'orders.read'])
    // Somebody else keeps it where only one actor lost it.
    const other = await call('rights.show', {}, { as: { ...as, sub: 'agent:other' } })
    expect(other.text.includes(unmasked)).toBe(target.startsWith('agent:'))
    await started.gateway.switches.release(id, 'test', by)
    expect(await seen()).toEqual([false, `orders.read ${unmasked}`])
  },
)
