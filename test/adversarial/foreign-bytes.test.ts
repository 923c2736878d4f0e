import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listenStdio } from '../../src/server/stdio.ts'
import type { JsonObject } from '../../src/ports/json.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  callAtOnce,
  freshMark,
  manners,
  marksIn,
  nonceScope,
  nonceTool,
  problemIn,
  type NonceClient,
} from '../support/nonce-clients.ts'
import { legacyCall, modernCall, rpc } from '../support/wire.ts'

const calls = Number(process.env['SLUICEGATE_CALLS'] ?? 50000)
const clientsMax = 200
/** Calls of one client with one token. */
const atOnce = 100
const tenants = ['acme', 'initech']

const tireless = (n: number) => ({
  principal: `agent:client-${n}`,
  limits: { rpm: 1_000_000, burst: 1_000_000, concurrency: 10_000 },
  stop_rules: { max_retries: 1_000_000 },
})

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway({
    tools: [nonceTool],
    over: {
      policies: ['builtin', { rule: 'allow-nonce', when: { tool: ['nonce.echo'] }, decision: 'allow' }],
      principals: Array.from({ length: clientsMax }, (_, n) => tireless(n)),
      detector: { stages: { default: 'off' } },
      telemetry: { spansFile: calls <= 50_000 },
    },
  })
})
afterAll(() => gateway.close())

/** The n-th client: a tenant, a manner and a token of its own. */
function client(n: number): NonceClient {
  const tenant = tenants[n % tenants.length] ?? 'acme'
  const manner = manners[n % manners.length] ?? 'modern'
  const token = gateway.token({ sub: `agent:client-${n}`, tenant, grants: [nonceScope], sid: `run-${n}` })
  return { tenant, manner, token, mark: freshMark() }
}

describe('clients that use the same ids never see a foreign byte', () => {
  it(
    `of ${clientsMax} over HTTP, in ${calls} interleaved calls, in two tenants and both eras`,
    async () => {
      const each = Math.ceil(calls / clientsMax)
      // A token lives ten minutes: the full count takes several of them.
      for (let left = each; left > 0; left -= atOnce) {
        const clients = Array.from({ length: clientsMax }, (_, n) => client(n))
        expect(await callAtOnce(gateway.mcp, clients, Math.min(left, atOnce))).toEqual([])
      }
      expect(gateway.reported.flatMap((line) => marksIn(JSON.stringify(line)))).toEqual([])
    },
    180_000 + calls * 20,
  )

  it('of two on stdio, whose calls end in any order', async () => {
    const pair = [client(0), client(1)]
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
    const [mine, other] = [client(0), client(1)]
    const ask = async ({ token, mark }: NonceClient) => {
      const { body, headers } = modernCall('nonce.echo', { mark, turns: 2 })
      const { status, message } = await rpc(gateway.mcp, token, body, headers)
      return { status, result: message.result as JsonObject }
    }
    const alone = await ask(mine)
    const together = await Promise.all([ask(mine), ask(other), ask(mine), ask(other)])
    expect([together[0], together[2]]).toEqual([alone, alone])
    expect(JSON.stringify(together[1])).not.toContain(mine.mark)
  })

  it('in evidence: a record names the tenant of its own token alone', async () => {
    const mine = client(2)
    await rpc(gateway.mcp, mine.token, legacyCall('nonce.echo', { mark: mine.mark, turns: 0 }))
    const records = (await gateway.records()).filter(({ actor }) => actor?.id?.startsWith('agent:client-'))
    const wrong = records.filter(
      ({ actor, tenant }) => tenants[Number(actor?.id?.split('-')[1]) % tenants.length] !== tenant,
    )
    expect(records.length).toBeGreaterThan(0)
    expect(wrong).toEqual([])
  })
})
