import type { Agent } from 'undici'
import { describe, expect, it } from 'vitest'
import { serviceAgents } from '../../../src/adapters/service-agents.ts'
import type { TlsSource } from '../../../src/adapters/tls-files.ts'

/** Agents that are only counted. */
function counted() {
  const open = new Set<number>()
  let made = 0
  const agents = serviceAgents(() => {
    const id = ++made
    open.add(id)
    return { id, close: async () => void open.delete(id) } as unknown as Agent
  })
  return { agents, open: () => open.size, made: () => made }
}

function source() {
  const takers: ((context: object) => void)[] = []
  const closers: (() => void)[] = []
  let closed = false
  return {
    name: 'services.orders',
    current: () => ({}),
    facts: () => undefined,
    follow: (take: (context: object) => void) => void takers.push(take),
    onClose: (run: () => void) => void closers.push(run),
    isClosed: () => closed,
    close() {
      closed = true
      for (const run of closers.splice(0)) run()
    },
    renew: () => takers.forEach((take) => take({})),
  } satisfies TlsSource & { renew(): void }
}

describe('agents of services', () => {
  it('are one for all that say nothing, and one for each certificate', async () => {
    const { agents, made, open } = counted()
    const [one, other] = [source(), source()]
    for (const tls of [undefined, undefined, one, one, other]) await agents.use(tls, async () => undefined)
    expect([made(), open()]).toEqual([3, 3])
    await agents.close()
    expect(open()).toBe(0)
  })

  it('are as many as before, however often a reload or a new certificate replaces them', async () => {
    const { agents, open } = counted()
    for (let reload = 0; reload < 50; reload++) {
      const tls = source()
      await agents.use(tls, async () => undefined)
      tls.renew()
      tls.close()
      expect(open()).toBe(1)
    }
    await agents.close()
  })

  it('are as many as before when calls that began before a reload come after it', async () => {
    const { agents, open } = counted()
    const tls = source()
    tls.close()
    for (let call = 0; call < 50; call++) {
      expect(await agents.use(tls, async () => open())).toBe(2)
      await expect(agents.use(tls, () => Promise.reject(new Error('gone')))).rejects.toThrow('gone')
      expect(open()).toBe(1)
    }
    await agents.close()
    expect(open()).toBe(0)
  })
})
