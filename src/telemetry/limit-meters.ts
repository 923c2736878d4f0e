import type { Meter } from '@opentelemetry/api'
import type { CallFacts } from '../ports/observer.ts'
import { label, metric } from './names.ts'
import { folded } from './series.ts'

interface Budget {
  readonly tenant: string
  readonly principal: string
  readonly day: string
  readonly usedUsd: number
  readonly limitUsd: number
}

const tenantsMax = 200
const budgetsMax = 200

/** Counts limits that were met, and shows budgets: of principals that have one, and of no more than 200. */
export function limitMeters(meter: Meter): (facts: CallFacts) => void {
  const hits = meter.createCounter(metric.limitHits, { unit: '{call}' })
  const [tenants, limits] = [folded(tenantsMax), folded(50)]
  const budgets = new Map<string, Budget>()
  show(meter, metric.budgetUsed, budgets, ({ usedUsd }) => usedUsd)
  show(meter, metric.budgetLimit, budgets, ({ limitUsd }) => limitUsd)

  return ({ tenant = '', actorId, limit, budgetUsedUsd, budgetLimitUsd }) => {
    if (limit !== undefined) hits.add(1, { [label.limit]: limits(limit), [label.tenant]: tenants(tenant) })
    if (actorId === undefined || budgetUsedUsd === undefined || budgetLimitUsd === undefined) return
    const key = JSON.stringify([tenant, actorId])
    budgets.delete(key)
    budgets.set(key, { tenant, principal: actorId, day: today(), usedUsd: budgetUsedUsd, limitUsd: budgetLimitUsd })
    if (budgets.size > budgetsMax) budgets.delete(budgets.keys().next().value as string)
  }
}

/** Yesterday's spending says nothing of today. */
function show(meter: Meter, name: string, budgets: ReadonlyMap<string, Budget>, of: (budget: Budget) => number): void {
  meter.createObservableGauge(name, { unit: '{USD}' }).addCallback((seen) => {
    for (const budget of budgets.values()) {
      if (budget.day !== today()) continue
      seen.observe(of(budget), { [label.tenant]: budget.tenant, [label.principal]: budget.principal })
    }
  })
}

const today = (): string => new Date().toISOString().slice(0, 10)
