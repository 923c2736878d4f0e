import type { Meter } from '@opentelemetry/api'
import type { CallFacts } from '../ports/observer.ts'
import { label, metric } from './names.ts'

/** P95 objectives by tool, seconds. */
export type Objectives = Readonly<Record<string, number>>

export interface ObjectiveMeters {
  /** Judges a call by its tool's objective. One that was refused tells nothing of how fast the tool is. */
  ended(tool: string, outcome: CallFacts['outcome'], us: number): void
  /** Where the objectives in force are read from; call once. */
  watch(objectives: () => Objectives): void
}

/** Calls of a tool that its measured P95 is taken over, newest first to stay. */
const recentMax = 500

/**
 * For tools with an objective: the objective, the P95 of late, and how many calls there were and how many of them took
 * longer. At most one call in twenty may: that is the error budget.
 */
export function objectiveMeters(meter: Meter): ObjectiveMeters {
  const judged = meter.createCounter(metric.objectiveCalls, { unit: '{call}' })
  const over = meter.createCounter(metric.objectiveOver, { unit: '{call}' })
  const recent = new Map<string, number[]>()
  let read = (): Objectives => ({})

  return {
    ended(tool, outcome, us) {
      const objectives = read()
      const objective = Object.hasOwn(objectives, tool) ? objectives[tool] : undefined
      if (objective === undefined || outcome === 'refused') return
      recent.set(tool, [...(recent.get(tool) ?? []), us / 1e6].slice(-recentMax))
      judged.add(1, { [label.tool]: tool })
      over.add(us / 1e6 > objective ? 1 : 0, { [label.tool]: tool })
    },
    watch(objectives) {
      read = objectives
      const inForce = (tool: string) => Object.hasOwn(read(), tool)
      meter.createObservableGauge(metric.objective, { unit: 's' }).addCallback((seen) => {
        for (const [tool, seconds] of Object.entries(read())) seen.observe(seconds, { [label.tool]: tool })
      })
      meter.createObservableGauge(metric.p95, { unit: 's' }).addCallback((seen) => {
        for (const [tool, times] of recent) if (inForce(tool)) seen.observe(p95(times), { [label.tool]: tool })
      })
    },
  }
}

/** The smallest time that at least 95 of 100 calls did not exceed. */
function p95(times: readonly number[]): number {
  return times.toSorted((one, other) => one - other)[Math.ceil(times.length * 0.95) - 1] ?? 0
}
