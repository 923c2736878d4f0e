import { describe, expect, it } from 'vitest'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { codes, type Code, type Outcome } from '../../../src/call/outcome.ts'
import { surface, withRefusal } from '../../../src/call/surface.ts'

const refused = (code: Code): Outcome => ({
  kind: 'refused',
  refusal: {
    denied: { code, message: 'No.', retryAfterMs: 1500 },
    rules: ['secret-rule'],
    switchId: 'sw-1',
    cause: 'inside',
  },
})

const statuses: Partial<Record<Code, number>> = {
  unauthenticated: 401,
  token_replayed: 401,
  scope_missing: 403,
  rate_limited: 429,
  concurrency_limited: 429,
}

describe.each(codes.map((code) => [code] as const))('a refusal with %s', (code) => {
  it('carries one denied object and the fixed text, and nothing of the inside', () => {
    for (const transport of ['http', 'stdio'] as const) {
      const shown = surface(refused(code), transport)
      const text = JSON.stringify(shown)
      expect(text).toContain(`DENY ${code}: No.`)
      expect(text).not.toMatch(/secret-rule|sw-1|inside/)
      const denied =
        shown.kind === 'error' ? shown.data['denied'] : (shown.result['structuredContent'] as never)['denied']
      expect(denied).toMatchObject({ code, message: 'No.' })
    }
  })

  it('has its HTTP status over HTTP and none on stdio', () => {
    const http = surface(refused(code), 'http')
    const stdio = surface(refused(code), 'stdio')
    expect(http.kind === 'error' ? http.status : undefined).toBe(statuses[code])
    expect(stdio.kind === 'error' ? stdio.status : undefined).toBeUndefined()
  })

  it('fits the output schema clients were told', () => {
    const schema = withRefusal({
      type: 'object',
      properties: { n: { type: 'number' } },
      required: ['n'],
      additionalProperties: false,
    })
    const fits = new Ajv2020({ strict: false }).compile(schema)
    const shown = surface(refused(code), 'stdio')
    if (shown.kind === 'result') expect(fits(shown.result['structuredContent'])).toBe(true)
    expect(fits({ n: 1 })).toBe(true)
    expect(fits({ m: 1 })).toBe(false)
  })
})

describe('JSON-RPC errors', () => {
  it('are -32602 for an unknown tool and -32603 for our own faults', () => {
    expect(surface(refused('unknown_tool'), 'http')).toMatchObject({ kind: 'error', code: -32602 })
    expect(surface(refused('internal'), 'stdio')).toMatchObject({ kind: 'error', code: -32603 })
  })
})
