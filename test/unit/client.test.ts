import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { trace } from '@opentelemetry/api'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { afterEach, describe, expect, it } from 'vitest'
import { planKey, startPlan } from '../../src/client.ts'

const options = { id: 'plan-1', goal: 'tell Ada', actor: 'agent:copilot', tenant: 'acme', scopes: ['orders.read'] }

afterEach(() => trace.disable())

describe('a plan', () => {
  it('gives each call the trace of the plan and its own place in it', () => {
    const plan = startPlan(options)
    const first = plan.meta({ step: 1 })
    const again = plan.meta({ step: 2, depth: 1, retry: 3 })
    expect(first.traceparent).toBe(`00-${plan.traceId}-${plan.spanId}-01`)
    expect(first.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(again.traceparent).toBe(first.traceparent)
    expect(again[planKey]).toEqual({ id: 'plan-1', goal: 'tell Ada', step: 2, depth: 1, retry: 3 })
  })

  it('writes its own span where the process has no OpenTelemetry, without the goal', async () => {
    const spansFile = join(await mkdtemp(join(tmpdir(), 'plan-')), 'spans-agent.jsonl')
    const plan = startPlan({ ...options, spansFile })
    plan.meta({ step: 1 })
    await plan.end({ tool: 'orders.export', decision: 'redact', piiCount: 2 })
    const line = await readFile(spansFile, 'utf8')
    expect(line).toContain(`"traceId":"${plan.traceId}","spanId":"${plan.spanId}","name":"agent.plan"`)
    expect(line).not.toContain('tell Ada')
    for (const name of ['actor.id', 'tenant.id', 'tool.name', 'policy.decision', 'pii.count', 'scope.grants'])
      expect(line).toContain(`"${name}"`)
  })

  it('is a span of the process’s own tracer where there is one', async () => {
    const exporter = new InMemorySpanExporter()
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }))
    const plan = startPlan(options)
    plan.meta({ step: 1 })
    await plan.end()
    const [span] = exporter.getFinishedSpans()
    expect(span).toMatchObject({ name: 'agent.plan' })
    expect(span?.spanContext()).toMatchObject({ traceId: plan.traceId, spanId: plan.spanId })
  })

  it('ends all the same when the collector is away', async () => {
    await expect(startPlan({ ...options, otlpUrl: 'http://127.0.0.1:9/v1/traces' }).end()).resolves.toBeUndefined()
  })
})
