import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { undiciEgress } from '../../../src/adapters/egress-undici.ts'
import type { ServiceClient } from '../../../src/adapters/service-http.ts'
import type { Service } from '../../../src/demo/service/start.ts'
import { ToolRefusal, type Tool, type ToolExample, type ToolResult } from '../../../src/ports/tool.ts'
import { builtInTools } from '../../../src/tools/built-in.ts'
import { egressLists } from '../../../src/tools/egress-lists.ts'
import { ordersExport } from '../../../src/tools/orders-export.ts'
import { aClient, aContext, aService } from '../../support/demo-services.ts'

let service: Service
let client: ServiceClient
let partner: Server

beforeAll(async () => {
  service = await aService('us-east')
  client = aClient({ 'us-east': service.url }).client
  partner = createServer((_request, response) => response.end('fine')).listen(0, '127.0.0.1')
  await once(partner, 'listening')
})
afterAll(async () => {
  partner.close()
  await Promise.all([client.close(), service.close()])
})

const examples = builtInTools.flatMap((tool) =>
  tool.examples.map((example) => [tool.definition.name, example.title, tool, example] as const),
)

describe('the examples of the built-in tools', () => {
  it.each(examples)('%s › %s', async (_tool, _title, tool, example) => {
    expect(await run(tool, example)).toBe(example.expect)
  })

  it('show at least one success and one refusal of each tool', () => {
    for (const tool of builtInTools) {
      const expected = new Set(tool.examples.map((example) => example.expect === 'ok'))
      expect([tool.definition.name, expected]).toEqual([tool.definition.name, new Set([true, false])])
    }
  })
})

async function run(tool: Tool, example: ToolExample): Promise<string> {
  const validated = tool.validate(example.args)
  if (!validated.ok) return 'invalid_arguments'
  try {
    const result = await tool.invoke(validated.args, context())
    assertPromised(tool, result)
    return 'ok'
  } catch (error) {
    if (error instanceof ToolRefusal) return error.code
    throw error
  }
}

let operations = 0

function context() {
  const hosts = { 'partner.example': (partner.address() as AddressInfo).port }
  const lists = egressLists({ mode: 'development', allow: ['partner.example'], hosts })
  const fetch = undiciEgress({ lists })({ signal: new AbortController().signal, blocked: () => false })
  operations += 1
  return aContext(client, { operationId: `example-${operations}`, fetch })
}

/** The result is what the tool's output schema promises, before and after personal fields are rewritten or dropped. */
function assertPromised(tool: Tool, { structured }: ToolResult): void {
  const promised = new Ajv2020({ strict: false }).compile(tool.definition.outputSchema ?? false)
  expect(promised(structured)).toBe(true)
  const masked = JSON.parse(
    JSON.stringify(structured, (key, value: unknown) => (personal.has(key) ? '***@***' : value)),
  ) as unknown
  expect(promised(masked)).toBe(true)
  const dropped = JSON.parse(
    JSON.stringify(structured, (key, value: unknown) => (personal.has(key) ? undefined : value)),
  ) as unknown
  if (tool === ordersExport) expect(promised(dropped)).toBe(true)
}

const personal = new Set(['name', 'email', 'phone', 'cardToken', 'cardLast4', 'note', 'country'])
