import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { ExportResultCode } from '@opentelemetry/core'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import { describe, expect, it } from 'vitest'
import type { CallFacts, CallStart } from '../../../src/ports/observer.ts'
import { attribute, span } from '../../../src/telemetry/names.ts'
import { meters } from '../../../src/telemetry/metrics.ts'
import { observer, type ObserverOptions } from '../../../src/telemetry/observe.ts'
import { spansOfTraces } from '../../../src/telemetry/span-file.ts'

const start: CallStart = { tool: 'orders.export', transport: 'http', protocolVersion: '2026-07-28', requestId: '7' }

const facts: CallFacts = {
  actorId: 'agent:copilot',
  actorType: 'agent',
  tenant: 'acme',
  grants: ['orders.read'],
  decision: 'redact',
  piiCount: 3,
  idemKeyDigest: 'ab'.repeat(32),
  budgetUsedUsd: 1.25,
  budgetLimitUsd: 50,
  outcome: 'ok',
  evidence: { stream: 'gw/01', seq: 9 },
  policy: { rules: ['redact-email'], version: 'v1' },
  found: { email: 1 },
  shown: { email: 2 },
}

const agentParent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

function tickingClock() {
  let ns = 5_000_000_000n
  return { nowMs: () => 1_756_700_000_123, monoNs: () => (ns += 1_000_000n) }
}

function recording() {
  const spans: ReadableSpan[] = []
  const exporter: SpanExporter = {
    export: (batch, done) => {
      spans.push(...batch)
      done({ code: ExportResultCode.SUCCESS })
    },
    shutdown: () => Promise.resolve(),
  }
  return { spans, exporter }
}

/** One whole call through an observer, and the spans that came of it. */
async function call(
  more: Partial<CallStart> = {},
  options: Partial<ObserverOptions> = {},
  ending: Partial<CallFacts> = {},
) {
  const { spans, exporter } = recording()
  const seen = observer({ clock: tickingClock(), serviceVersion: '0.1.0', exporter, ...options })
  const trace = seen.begin({ ...start, ...more })
  for (const part of ['authenticate', 'inspect', 'decide'] as const) trace.begin(part).end()
  const service = trace.begin('service')
  service.end({ method: 'GET', status: 200, host: 'orders' })
  trace.begin('redact').end()
  trace.end({ ...facts, ...ending })
  await seen.flush()
  const named = (name: string) => spans.find((each) => each.name === name) as ReadableSpan
  return { seen, trace, service, spans, named }
}

const ownAttributes = [
  attribute.actorId,
  attribute.actorType,
  attribute.tool,
  attribute.grants,
  attribute.decision,
  attribute.piiCount,
  attribute.idemKey,
  attribute.tenant,
  attribute.budgetUsed,
  attribute.budgetLimit,
]

describe('the spans of a call', () => {
  it('are five, in one trace, each below the one that caused it', async () => {
    const { spans, named, trace } = await call()
    expect(new Set(spans.map((each) => each.name))).toEqual(new Set(Object.values(span)))
    expect(new Set(spans.map((each) => each.spanContext().traceId))).toEqual(new Set([trace.traceId]))
    expect(named(span.plan).parentSpanContext).toBeUndefined()
    expect(named(span.invoke).parentSpanContext?.spanId).toBe(named(span.plan).spanContext().spanId)
    for (const name of [span.decide, span.service, span.redact])
      expect(named(name).parentSpanContext?.spanId).toBe(trace.spanId)
    expect(named(span.invoke).kind).toBe(SpanKind.SERVER)
    expect(named(span.service).kind).toBe(SpanKind.CLIENT)
  })

  it('carry every common attribute on each of the five', async () => {
    const { spans } = await call()
    for (const each of spans)
      for (const name of ownAttributes) expect(each.attributes, `${each.name} ${name}`).toHaveProperty([name])
    expect(spans[0]?.attributes).toMatchObject({
      [attribute.actorId]: 'agent:copilot',
      [attribute.grants]: ['orders.read'],
      [attribute.decision]: 'redact',
      [attribute.piiCount]: 3,
      [attribute.budgetUsed]: 1.25,
      [attribute.evidenceSeq]: 9,
    })
  })

  it('say what their own part found', async () => {
    const { spans, named } = await call()
    expect(named(span.decide).attributes).toMatchObject({
      [attribute.rule]: ['redact-email'],
      [attribute.policyVersion]: 'v1',
    })
    expect(named(span.service).attributes).toMatchObject({ [attribute.httpMethod]: 'GET', [attribute.httpStatus]: 200 })
    const counts = spans
      .filter((each) => each.name === span.redact)
      .map((each) => [each.attributes[attribute.dlpDirection], each.attributes[attribute.dlpCount]])
    expect(counts).toContainEqual(['arguments', 1])
    expect(counts).toContainEqual(['result', 2])
  })

  it('keep their true durations although they end together', async () => {
    const { named } = await call()
    expect(named(span.decide).duration).toEqual([0, 1_000_000])
    expect(named(span.invoke).duration[1]).toBeGreaterThan(named(span.decide).duration[1])
    expect(named(span.plan).startTime).toEqual(named(span.invoke).startTime)
  })

  it('mark a call of a service that failed, whichever of its names the cause came under', async () => {
    for (const cause of [{ failure: 'http_500' }, { [attribute.errorType]: 'http_500' }]) {
      const { spans, exporter } = recording()
      const seen = observer({ clock: tickingClock(), serviceVersion: '0.1.0', exporter })
      const trace = seen.begin(start)
      trace.begin('service').end({ method: 'GET', ...cause })
      trace.begin('service').end({ method: 'GET', status: 200 })
      trace.end(facts)
      await seen.flush()
      const services = spans.filter(({ name }) => name === span.service)
      const codes = services.map((one) => [one.attributes[attribute.errorType], one.status.code])
      expect(codes).toContainEqual(['http_500', SpanStatusCode.ERROR])
      expect(codes).toContainEqual([undefined, SpanStatusCode.UNSET])
    }
  })

  it('name the service call as the parent of whatever the service does', async () => {
    const { service, named, trace } = await call()
    expect(service.traceparent).toBe(`00-${trace.traceId}-${named(span.service).spanContext().spanId}-01`)
  })

  it('mark a refusal as a tool error, and a call of an unknown tool as no error of ours', async () => {
    const refused = await call({}, {}, { outcome: 'refused', decision: 'deny', code: 'policy_denied' })
    expect(refused.named(span.invoke).status.code).toBe(SpanStatusCode.ERROR)
    expect(refused.named(span.invoke).attributes[attribute.errorType]).toBe('tool_error')
    const unknown = await call({}, {}, { outcome: 'refused', decision: 'deny', code: 'unknown_tool' })
    expect(unknown.named(span.invoke).status.code).toBe(SpanStatusCode.UNSET)
    expect(unknown.named(span.invoke).attributes[attribute.statusCode]).toBe('-32602')
  })

  it('take the convention’s name for the call where that is configured', async () => {
    const { spans } = await call({}, { spanNaming: 'semconv' })
    expect(spans.map((each) => each.name)).toContain('tools/call orders.export')
  })
})

describe('an agent that sends its trace context', () => {
  it('has its own span as the parent, and none made here', async () => {
    const { spans, trace, named } = await call({ traceparent: agentParent })
    expect(trace).toMatchObject({ planned: true, traceId: agentParent.slice(3, 35), parentSpanId: 'b7ad6b7169203331' })
    expect(named(span.invoke).parentSpanContext?.isRemote).toBe(true)
    expect(spans.map((each) => each.name)).not.toContain(span.plan)
  })

  it('cannot switch tracing off by sending an unsampled parent', async () => {
    const { spans, service } = await call({ traceparent: agentParent.replace(/01$/, '00') })
    expect(spans.map((each) => each.name)).toContain(span.invoke)
    expect(service.traceparent).toMatch(/-01$/)
  })

  it('cannot make us carry a huge tracestate', async () => {
    const tracestate = Array.from({ length: 30 }, (_, i) => `k${i}=${'v'.repeat(200)}`).join(',')
    const { named } = await call({ traceparent: agentParent, tracestate })
    expect(named(span.invoke).spanContext().traceState?.serialize().length).toBeLessThanOrEqual(512)
    const over = await call({ traceparent: agentParent, tracestate: `a=${'v'.repeat(9_000)},b=1` })
    expect(over.named(span.invoke).spanContext().traceState?.serialize() ?? '').toBe('')
  })

  it('starts a fresh trace with a malformed parent', async () => {
    const { trace } = await call({ traceparent: '00-zz-1-01' })
    expect(trace.planned).toBe(false)
  })

  it('is a link, not a parent, where its trace ids are not trusted', async () => {
    const { trace, named } = await call({ traceparent: agentParent }, { traceTrust: 'link' })
    expect(trace.traceId).not.toBe(agentParent.slice(3, 35))
    expect(named(span.invoke).links[0]?.context.traceId).toBe(agentParent.slice(3, 35))
  })

  it('has the HTTP header’s context as a link when the message carried another', async () => {
    const linkTraceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
    const { named } = await call({ traceparent: agentParent, linkTraceparent })
    expect(named(span.invoke).links.map(({ context }) => context.spanId)).toEqual(['2'.repeat(16)])
    expect(named(span.invoke).parentSpanContext?.spanId).toBe('b7ad6b7169203331')
  })
})

describe('what leaves', () => {
  it('holds no name that is not ours, no address, card or token', async () => {
    const { spans, exporter } = recording()
    const seen = observer({ clock: tickingClock(), serviceVersion: '0.1.0', exporter })
    const trace = seen.begin({ ...start, requestId: 'mail ada@example.com', plan: { id: 'card 4111 1111 1111 1111' } })
    const part = trace.begin('service')
    trace.event('made.up', { message: 'x', failure: 'bearer abcdefghijklmnop' })
    part.end({ 'http.request.body': 'secret', method: 'GET' })
    trace.end({ ...facts, actorId: 'ada@example.com' })
    await seen.flush()
    const text = JSON.stringify(
      spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
    )
    expect(text).not.toMatch(/ada@|4111|abcdefghijklmnop|http\.request\.body|"message"/)
    expect(text).toContain('[email]')
  })

  it('says of the process its name, version and a random id, and nothing else', async () => {
    const { spans } = await call({}, { environment: 'production' })
    expect(Object.keys(spans[0]?.resource.attributes ?? {}).sort()).toEqual([
      'deployment.environment.name',
      'service.instance.id',
      'service.name',
      'service.version',
    ])
  })

  it('is withheld where the scrubber throws', async () => {
    const { named } = await call({}, { scrub: () => { throw new Error('limit') } }) // prettier-ignore
    expect(named(span.invoke).attributes[attribute.actorId]).toBe('[withheld]')
  })

  it('shows a person by a keyed digest', async () => {
    const { named } = await call({}, { digest: () => 'd1' }, { actorType: 'user', actorId: 'user:7' })
    expect(named(span.invoke).attributes[attribute.user]).toBe('d1')
  })

  it('is cut where an attribute is too long', async () => {
    const { named } = await call({ requestId: 'r'.repeat(5_000) })
    expect(String(named(span.invoke).attributes[attribute.requestId])).toHaveLength(512)
  })
})

describe('exporters', () => {
  it('write a local file that gives the spans of a trace back as one document', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'spans-'))
    const { seen, trace } = await call({}, { spansFile: join(directory, 'spans.jsonl') })
    await seen.flush()
    const document = JSON.stringify(await spansOfTraces(directory, new Set([trace.traceId])))
    for (const name of Object.values(span)) expect(document).toContain(`"${name}"`)
    expect(await spansOfTraces(directory, new Set(['f'.repeat(32)]))).toEqual({ resourceSpans: [] })
    expect((await readFile(join(directory, 'spans.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(1)
  })

  it('reach an OTLP collector over HTTP with all five spans', async () => {
    const bodies: string[] = []
    const collector = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        bodies.push(`${request.url} ${body}`)
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
    }).listen(0, '127.0.0.1')
    await once(collector, 'listening')
    const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`
    const { seen } = await call({}, { otlp: { url } })
    await seen.close()
    collector.close()
    for (const name of Object.values(span)) expect(bodies.join('')).toContain(`"name":"${name}"`)
    expect(bodies[0]).toMatch(/^\/v1\/traces /)
  })

  it('that never answer lose spans, and count what they lose', async () => {
    const hanging: SpanExporter = { export: () => {}, shutdown: () => Promise.resolve() }
    const counted = meters()
    const seen = observer({
      clock: tickingClock(),
      serviceVersion: '0',
      exporter: hanging,
      meters: counted,
      queueMax: 20,
    })
    for (let i = 0; i < 50; i++) seen.begin(start).end(facts)
    expect(await counted.text()).toMatch(/otel_sdk_processor_span_processed_total\{[^}]*queue_full[^}]*\} [1-9]/)
    await counted.close()
  })

  it('that fail do not fail the shutdown', async () => {
    const failing: SpanExporter = {
      export: (_spans, done) => done({ code: ExportResultCode.FAILED, error: new Error('down') }),
      shutdown: () => Promise.reject(new Error('down')),
    }
    const seen = observer({ clock: tickingClock(), serviceVersion: '0', exporter: failing })
    seen.begin(start).end(facts)
    await expect(seen.close()).resolves.toBeUndefined()
  })
})
