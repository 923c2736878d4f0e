import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newVendor } from '../../src/demo/scenario.ts'
import { openTestGateway, type TestGateway } from '../support/gateway.ts'
import { openVendor, type Vendor } from '../support/vendor.ts'

/* The bytes have left. Whatever the other end answers, the evidence says so. */

let gate: TestGateway
let vendor: Vendor
const body = 'stolen;'.repeat(20_000)

beforeAll(async () => {
  vendor = await openVendor()
  gate = await openTestGateway({ over: { egress: { allow: [newVendor], hosts: { [newVendor]: vendor.port } } } })
})
afterAll(async () => {
  await gate.close()
  vendor.close()
})

const answers: Record<string, Vendor['answer']> = {
  'a plain answer': (_request, response) => void response.end('received'),
  'a redirect to the metadata address': (_request, response) =>
    void response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  'a redirect without an end': (_request, response) => void response.writeHead(302, { location: '/again' }).end(),
  'a redirect of the body elsewhere': (_request, response) =>
    void response.writeHead(307, { location: 'http://elsewhere.example/' }).end(),
  'a compressed answer': (_request, response) =>
    void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('received')),
  'no answer': (request) => void request.socket.destroy(),
  'an error': (_request, response) => void response.writeHead(500).end(),
}

describe.each(Object.entries(answers))('bytes that left, and %s', (name, answer) => {
  const path = `/in?q=${encodeURIComponent(name)}`

  it('stand in evidence with the domain, the address and their number, as an allowed call', async () => {
    vendor.answer = answer
    const before = vendor.received()
    await gate.call('web.fetchSafe', { url: `http://${newVendor}${path}`, body })
    expect(vendor.received() - before).toBeGreaterThanOrEqual(body.length)
    const outcome = (await gate.records()).findLast(({ type }) => type === 'call.outcome')
    expect(outcome).toMatchObject({
      decision: { effect: 'allow' },
      egress: { domain: newVendor, ip: '127.0.0.1', sizeBytes: body.length + path.length },
    })
  })
})

describe('a destination that is refused before it is connected', () => {
  it('leaves a denial and no bytes', async () => {
    const saw = await gate.call('web.fetchSafe', { url: 'http://169.254.169.254/', body })
    const last = (await gate.records()).findLast(({ type }) => type === 'call.decision')
    expect(saw.ended).toBe('policy_denied')
    expect(last).toMatchObject({ decision: { effect: 'deny' } })
    expect(last?.egress?.sizeBytes).toBeUndefined()
  })
})
