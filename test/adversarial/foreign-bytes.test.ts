import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { listenStdio } from '../../src/server/stdio.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import type { TestGateway } from '../support/gateway.ts'
import type { Interleaved } from '../support/nonce-child.ts'
import { callAtOnce, nonceClients, nonceGateway, nonceTenants, problemIn, type NonceClient } from '../support/nonce-clients.ts' // prettier-ignore
import { modernCall, rpc } from '../support/wire.ts'

const calls = Number(process.env['SLUICEGATE_CALLS'] ?? 50000)
const clientsMax = 200
const child = new URL('../support/nonce-child.ts', import.meta.url)

/** Gateways at a time, each with all the clients: one can use no more than one processor. */
const gateways = Math.min(4, availableParallelism())

let gateway: TestGateway
let clients: readonly NonceClient[]
beforeAll(async () => {
  gateway = await nonceGateway(clientsMax)
})
// A full run outlasts a token.
beforeEach(() => {
  clients = nonceClients(gateway, clientsMax)
})
afterAll(() => gateway.close())

/** One gateway in a process of its own. It makes much that is soon thrown away. */
async function interleaved(share: number): Promise<Interleaved> {
  const execArgv = ['--max-semi-space-size=64']
  const process = fork(child, [String(share), String(clientsMax)], { execArgv })
  const ended = once(process, 'exit').then(([code]) => {
    throw new Error(`The gateway ended with ${code} before it said what it came to.`)
  })
  const [said] = (await Promise.race([once(process, 'message'), ended])) as [Interleaved]
  await ended.catch(() => undefined)
  return said
}

describe('clients that use the same ids never see a foreign byte', () => {
  it(
    `of ${clientsMax} over HTTP, in ${calls} interleaved calls, in two tenants and both eras`,
    async () => {
      const share = Math.ceil(calls / gateways)
      const came = await Promise.all(Array.from({ length: gateways }, () => interleaved(share)))
      expect(came.flatMap(({ found, told }) => [...found, ...told])).toEqual([])
      expect(came.reduce((sum, one) => sum + one.calls, 0)).toBeGreaterThanOrEqual(calls)
    },
    180_000 + calls * 20,
  )

  it('of two on stdio, whose calls end in any order', async () => {
    const pair = clients.slice(0, 2)
    const { service } = gateway.started.gateway
    const saw = await Promise.all(
      pair.map(async (one) => {
        const [input, output] = [new PassThrough(), new PassThrough()]
        const shows = () => ({ kind: 'bearer', token: one.token }) as const
        const listener = await listenStdio({ service, shows, input, output, fault: () => undefined })
        const lines: string[] = []
        const done = Promise.withResolvers<void>()
        output.on('data', (piece: Buffer) => {
          lines.push(...piece.toString().split('\n').filter(Boolean))
          if (lines.length === 300) done.resolve()
        })
        for (let n = 0; n < 300; n += 1) {
          const { body } = modernCall('nonce.echo', { mark: one.mark, turns: n % 8 })
          input.write(`${JSON.stringify({ ...body, id: n })}\n`)
        }
        await done.promise
        await listener.close()
        return lines.map((line) => problemIn(line, one, (JSON.parse(line) as { id: number }).id)).filter(Boolean)
      }),
    )
    expect(saw).toEqual([[], []])
  })

  it('of two tenants: an answer is the same whether or not the other one calls meanwhile', async () => {
    const [mine, other] = clients as [NonceClient, NonceClient]
    const ask = async ({ token, mark }: NonceClient) => {
      const { body, headers } = modernCall('nonce.echo', { mark, turns: 2 })
      const { status, message } = await rpc(gateway.mcp, token, body, headers)
      return { status, result: message.result as JsonObject }
    }
    const alone = await ask(mine)
    expect(alone.status).toBe(200)
    const together = await Promise.all([ask(mine), ask(other), ask(mine), ask(other)])
    expect([together[0], together[2]]).toEqual([alone, alone])
    expect(JSON.stringify(together[1])).not.toContain(mine.mark)
  })

  it('in evidence: a record names the tenant of its own token alone', async () => {
    expect(await callAtOnce(gateway.mcp, clients, 3)).toEqual([])
    const records = (await gateway.records()).filter(({ actor }) => actor?.id?.startsWith('agent:client-'))
    const wrong = records.filter(
      ({ actor, tenant }) => nonceTenants[Number(actor?.id?.split('-')[1]) % nonceTenants.length] !== tenant,
    )
    expect(records.length).toBeGreaterThanOrEqual(3 * clientsMax)
    expect(wrong).toEqual([])
  })
})
