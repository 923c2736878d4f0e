import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'

const problems = (text: string) => parseConfig(text, '/etc/sluicegate/sluicegate.yaml').problems

describe('a mistyped key', () => {
  it.each([
    ['listen', 'lisen: { port: 1 }'],
    ['perAddress', 'listen: { connections: { perAdress: 5 } }'],
    ['regions', 'services: { orders: { regoins: {} } }'],
    ['openMaxMs', 'services: { orders: { regions: {}, breaker: { openMaxM: 5 } } }'],
    ['allow', 'principals: [{ principal: a, alow: [] }]'],
    ['max_plan_depth', 'principals: [{ principal: a, stop_rules: { max_plan_dept: 5 } }]'],
    ['approver', 'principals: [{ principal: a, request: b, reason: c, aprover: d, ttlSeconds: 5 }]'],
    ['burst', 'limits: { tenants: { acme: { brst: 5 } } }'],
    ['secretId', 'secrets: { vault: { url: "https://v", appRole: { secretID: "file:x", roleId: "file:y" } } }'],
    ['whenBlind', 'tools: { flag.set: { guard: { whenBlnd: hold } } }'],
    ['headers', 'telemetry: { otlp: { url: "https://t", header: {} } }'],
    ['algorithms', 'auth: { issuers: [{ issuer: i, jwks: j, algorithm: [EdDSA] }] }'],
    ['secret', 'alerts: { sinks: [{ kind: webhook, url: "https://h", secrt: "file:x" }] }'],
  ])('is told with the one that was probably meant, wherever it stands: %s', (meant, text) => {
    const messages = problems(text).map(({ message }) => message)
    expect(messages).toContainEqual(expect.stringMatching(new RegExp(`^Unknown key '.*'.*'${meant}'`)))
  })

  it('is told alone when it is near to nothing', () => {
    expect(problems('colour: red').map(({ message }) => message)).toEqual(["Unknown key 'colour'."])
  })
})
