import { describe, expect, it } from 'vitest'
import { meters } from '../../../src/telemetry/metrics.ts'
import { folded } from '../../../src/telemetry/series.ts'

const start = { tool: 'flag.set', transport: 'http', protocolVersion: '2026-07-28' } as const
const facts = {
  tenant: 'acme',
  grants: [],
  decision: 'deny',
  piiCount: 0,
  outcome: 'refused',
  code: 'policy_denied',
} as const
const spending = { actorId: 'agent:copilot', budgetUsedUsd: 1, budgetLimitUsd: 4 } as const

describe('the metrics page', () => {
  it('shows every name dashboards rely on, spelled as they rely on it', async () => {
    const counted = meters()
    counted.watch({
      switches: () => ({ session: 1 }),
      breakers: () => ({ orders: 0 }),
      queues: () => ({ orders: 3 }),
      objectives: () => ({ 'flag.set': 0.001 }),
      readiness: () => ({ evidence: 0 }),
      lagS: () => ({ detector: 0.5 }),
    })
    counted.call(start, { ...facts, shown: { email: 2 } }, 1_500)
    counted.stage('decide', 120)
    counted.committed(300)
    counted.record('call.outcome')
    counted.evidenceProblem('GAP')
    counted.policyHit('r1', 'deny')
    counted.shadow('r2', 'allow', 'deny')
    counted.egress('example.com', 10)
    counted.egressBlocked('private')
    counted.call(start, { ...facts, outcome: 'ok', ...spending, costUsd: 0.25, limit: 'rpm' }, 1_500)
    counted.authFailure('expired')
    counted.alert('loop-arrest', 'high')
    counted.delivery('console', 'delivered')
    counted.detected('loop-arrest', 3)
    counted.enforced('session', 7)
    counted.heldBack('orders', 'breaker_open')
    counted.queued('orders', 12)
    counted.retry('orders', 'sent')
    const names = [...(await counted.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    )
    expect(names.sort()).toEqual([
      'mcp_server_operation_duration histogram',
      'sluicegate_alert_deliveries_total counter',
      'sluicegate_alerts_total counter',
      'sluicegate_auth_failures_total counter',
      'sluicegate_breaker_state gauge',
      'sluicegate_budget_limit gauge',
      'sluicegate_budget_used gauge',
      'sluicegate_calls_total counter',
      'sluicegate_config_in_force gauge',
      'sluicegate_cost_total counter',
      'sluicegate_detect_duration histogram',
      'sluicegate_detector_lag gauge',
      'sluicegate_dlp_redactions_total counter',
      'sluicegate_egress_blocked_total counter',
      'sluicegate_egress_size_total counter',
      'sluicegate_enforce_duration histogram',
      'sluicegate_evidence_commit_duration histogram',
      'sluicegate_evidence_problems_total counter',
      'sluicegate_evidence_records_total counter',
      'sluicegate_limits_hit_total counter',
      'sluicegate_policy_hits_total counter',
      'sluicegate_policy_shadow_total counter',
      'sluicegate_readiness gauge',
      'sluicegate_service_held_back_total counter',
      'sluicegate_service_queue_duration histogram',
      'sluicegate_service_queue_length gauge',
      'sluicegate_service_retries_total counter',
      'sluicegate_stage_duration histogram',
      'sluicegate_switches_engaged gauge',
      'sluicegate_tool_judged_total counter',
      'sluicegate_tool_objective gauge',
      'sluicegate_tool_over_objective_total counter',
      'sluicegate_tool_p95 gauge',
    ])
    await counted.close()
  })

  it('counts a call by tool, tenant, decision and code, without scope or target series', async () => {
    const counted = meters()
    counted.call(start, facts, 1_500)
    const text = await counted.text()
    expect(text).toContain(
      'sluicegate_calls_total{tool="flag.set",tenant="acme",decision="deny",code="policy_denied",outcome="refused"} 1',
    )
    expect(text).not.toMatch(/otel_scope|target_info/)
    expect(text).toContain('le="0.01"')
    await counted.close()
  })

  it('puts tenants on counters only', async () => {
    const counted = meters()
    counted.call(start, facts, 1_500)
    const histograms = (await counted.text()).split('\n').filter((line) => line.includes('_bucket'))
    expect(histograms.join('\n')).not.toContain('tenant')
    await counted.close()
  })

  it('judges calls by the objective of their tool, so that an error budget can be computed', async () => {
    const counted = meters()
    counted.watch({ objectives: () => ({ 'flag.set': 0.1 }) })
    const ran = { ...facts, decision: 'allow', outcome: 'ok' } as const
    for (let count = 1; count <= 40; count += 1) counted.call(start, ran, count <= 37 ? 50_000 : 200_000)
    counted.call(start, facts, 9_000_000)
    counted.call({ ...start, tool: 'orders.export' }, ran, 9_000_000)
    const text = await counted.text()
    expect(text).toContain('sluicegate_tool_objective{tool="flag.set"} 0.1')
    expect(text).toContain('sluicegate_tool_judged_total{tool="flag.set"} 40')
    expect(text).toContain('sluicegate_tool_over_objective_total{tool="flag.set"} 3')
    expect(text).toContain('sluicegate_tool_p95{tool="flag.set"} 0.2')
    expect(text).not.toContain('tool_p95{tool="orders.export"}')
    await counted.close()
  })

  it('shows what is spent of each budget, of no more than 200, and which limits were met', async () => {
    const counted = meters()
    for (let n = 0; n < 300; n += 1) counted.call(start, { ...facts, ...spending, actorId: `agent:${n}` }, 1)
    counted.call(start, { ...facts, actorId: 'agent:free', budgetUsedUsd: 7, limit: 'max_cycles' }, 1)
    const text = await counted.text()
    expect(text).toContain('sluicegate_budget_used{tenant="acme",principal="agent:299"} 1')
    expect(text).toContain('sluicegate_budget_limit{tenant="acme",principal="agent:299"} 4')
    expect(text.match(/sluicegate_budget_used\{/g)).toHaveLength(200)
    expect(text).not.toContain('agent:free')
    expect(text).toContain('sluicegate_limits_hit_total{limit="max_cycles",tenant="acme"} 1')
    await counted.close()
  })

  it('folds names beyond the bound into one series', () => {
    const fold = folded(2)
    expect(['a', 'b', 'c', 'a', 'd'].map(fold)).toEqual(['a', 'b', '_OTHER', 'a', '_OTHER'])
  })
})
