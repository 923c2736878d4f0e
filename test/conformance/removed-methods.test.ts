import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { modern, rpc } from '../support/wire.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

describe('a method that 2026-07-28 removed', () => {
  it.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'])(
    'is not found, and opens no session: %s',
    async (method) => {
      const { body, headers } = modern(method)
      const answer = await rpc(gateway.mcp, gateway.token(), body, headers)
      expect(answer.status).toBe(404)
      expect(answer.message.error).toMatchObject({ code: -32601 })
      expect(answer.headers).not.toHaveProperty('mcp-session-id')
    },
  )
})
