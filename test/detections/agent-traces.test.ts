import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { SequenceNovelty } from '../../src/detection/analytic.ts'
import { grams, startMark } from '../../src/detection/grams.ts'
import { tenantHabits, twoLargest, type Habits } from '../../src/detection/habits.ts'

const file = join(process.env['SLUICEGATE_CORPORA'] ?? '', 'agent-traces', 'train.jsonl.gz')
const present = process.env['SLUICEGATE_CORPORA'] !== undefined && existsSync(file)
const dayMs = 86_400_000

interface Session {
  readonly suite: string
  readonly model: string
  readonly user_task: string
  readonly kind: string
  readonly attack_succeeded: boolean | null
  readonly steps: readonly { readonly tool: string }[]
}

const options: SequenceNovelty = {
  type: 'sequence_novelty',
  of: 'tool.name',
  by: ['tenant.id', 'session.id'],
  order: 3,
  aggregate: 'top2',
  collapse_repeats: true,
  known_when: { distinct_actors: 2, min_age: dayMs },
  baseline: 3_000 * dayMs,
  cold_start: { until_sessions: 100, score: null },
}

const suites = ['banking', 'slack', 'workspace']

function toolsOf({ steps }: Session): readonly string[] {
  return steps.map(({ tool }) => tool).filter((tool, index, all) => tool !== all[index - 1])
}

/** How surprising a session is, bits: the sum of its two most surprising steps. */
function rawOf(habits: Habits, session: Session): number {
  let before: readonly [string, string] = [startMark, startMark]
  let top: readonly [number, number] = [0, 0]
  for (const tool of toolsOf(session)) {
    top = twoLargest(top, habits.surprisal(before, tool))
    before = [before[1], tool]
  }
  return top[0] + top[1]
}

/** Scores of held-out sessions: each task against the other tasks' benign sessions, suite as tenant, model as actor. */
function scores(sessions: readonly Session[]) {
  const scored = { benign: [] as number[], attacked: [] as number[] }
  for (const suite of suites) {
    const benign = sessions.filter((one) => one.suite === suite && one.kind === 'benign')
    const attacked = sessions.filter((one) => one.suite === suite && one.kind === 'attack' && one.attack_succeeded === true)
    for (const task of new Set([...benign, ...attacked].map((one) => one.user_task))) {
      const habits = tenantHabits({ tenant: suite, group: grams({ supportersMin: 3 }), options })
      benign.filter((one) => one.user_task !== task).forEach((one, index) => habits.learn(toolsOf(one), one.model, index * dayMs))
      scored.benign.push(...benign.filter((one) => one.user_task === task).map((one) => rawOf(habits, one)))
      scored.attacked.push(...attacked.filter((one) => one.user_task === task).map((one) => rawOf(habits, one)))
    }
  }
  return scored
}

/** Area under the curve: how often an attacked session outranks a benign one, ties counted half. */
function area(attacked: readonly number[], benign: readonly number[]): number {
  const sorted = [...benign].sort((one, other) => one - other)
  const below = (value: number, strictly: boolean) => sorted.filter((other) => (strictly ? other < value : other <= value)).length
  return attacked.reduce((sum, value) => sum + (below(value, true) + below(value, false)) / 2, 0) / (attacked.length * benign.length)
}

describe('chain novelty on recorded agent sessions', () => {
  it('ranks attacked sessions as the reference does: 0.843 within 0.01', (context) => {
    if (!present) {
      process.stderr.write('skipped: no corpora (set SLUICEGATE_CORPORA)\n')
      return context.skip('no corpora (set SLUICEGATE_CORPORA)')
    }
    const sessions = gunzipSync(readFileSync(file)).toString().trim().split('\n').map((line) => JSON.parse(line) as Session)
    const { benign, attacked } = scores(sessions)
    expect([attacked.length, benign.length]).toEqual([1_746, 589])
    expect(Math.abs(area(attacked, benign) - 0.843)).toBeLessThan(0.01)
  })
})
