import { describe, expect, it } from 'vitest'
import type { EvidenceRecord } from '../../../src/evidence/record.ts'
import type { Story } from '../../../src/evidence/timeline.ts'
import { momentsOf } from '../../../src/evidence/timeline.ts'
import { timelineHtml } from '../../../src/evidence/timeline-html.ts'
import { queryText, summaryOf, timelineMarkdown } from '../../../src/evidence/timeline-text.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
import { alert, kill, session } from '../../support/bundles.ts'
import { callEntry, startMs } from '../../support/log-mutator.ts'

const call = callEntry(0)

function recordOf(entry: JsonObject, seq: number): EvidenceRecord {
  return { ...entry, v: 1, stream: 'S', seq, tsMs: startMs + seq } as unknown as EvidenceRecord
}

const told = (...entries: readonly JsonObject[]) => momentsOf(entries.map(recordOf))

describe('a moment', () => {
  it.each<[string, JsonObject, string, string]>([
    ['an allowed call', call, 'allowed', 'agent:planner (globex) called orders.export'],
    ['a refused call', callEntry(4), 'denied', 'agent:planner (acme) was refused orders.export'],
    ['an intent', { ...call, type: 'call.intent' }, 'intent', 'agent:planner (globex) is about to call orders.export'],
    [
      'a failure',
      { ...call, result: { status: 'error', errCode: 'upstream_failed' } },
      'failed',
      'agent:planner (globex) called orders.export, which ended in upstream_failed',
    ],
    ['an alert', alert, 'alert', 'rule exfil-spike raised a high alert: Large transfer to a new domain'],
    ['a switch', kill, 'switch', `rule exfil-spike pulled the switch on session ${session}`],
    [
      'an operator’s release',
      { type: 'kill.release', ext: { id: 'sw-1', reason: 'mended', issuedBy: { kind: 'operator', name: 'eve' } } },
      'switch',
      'eve released switch sw-1',
    ],
    [
      'a watched rollout',
      {
        type: 'rollout.watch',
        ext: { step: 'rolled back', flag: 'search', env: 'prod', fromPct: 10, toPct: '12.5' },
      },
      'system',
      'the rollout guard watched search in prod, raised from 10 % to 12.5 %: rolled back',
    ],
    ['a policy', { type: 'policy.load', ext: { digest: 'ab'.repeat(32) } }, 'system', 'A policy was loaded'],
  ])('says in words what %s was', (_title, entry, kind, sentence) => {
    const [moment] = told(entry)
    expect([moment?.kind, `${moment?.who} ${moment?.what}`.trim()]).toEqual([kind, sentence])
  })

  it('says why, and how much', () => {
    const [moment] = told({ ...call, egress: { domain: 'drop.example', sizeBytes: 9 }, agentPlan: { step: 2 } })
    expect(moment?.why).toEqual([
      'rules: orders-allow',
      'personal data: 2 (1 email, 1 phone)',
      '0 rows',
      'to drop.example, 9 bytes',
      'plan step 2',
    ])
  })

  it('says of a part of a changed configuration what it depends on', () => {
    const [moment] = told({ type: 'policy.load', ext: { digest: 'ab'.repeat(32), config: 'cd'.repeat(32) } })
    expect(moment?.why).toEqual(['digest abababababababab', 'counts once configuration cdcdcdcdcdcdcdcd is loaded'])
  })

  it('stands in the order of time, and keeps the log’s own business out', () => {
    const records = [recordOf(call, 5), recordOf({ type: 'key.introduce', ext: {} }, 1), recordOf(call, 2)]
    expect(momentsOf(records).map(({ seq }) => seq)).toEqual([2, 5])
  })
})

describe('a timeline', () => {
  const story: Story = {
    query: { session },
    requester: 'auditor',
    createdMs: startMs + 1_000,
    moments: told(call, callEntry(4), alert, kill),
  }

  it('sums up', () => {
    expect(summaryOf(story.moments).slice(0, 2)).toEqual([
      'calls: 1 let through, 1 refused',
      'alerts: 1, switch events: 1',
    ])
  })

  it('names the proof of every line', () => {
    for (const text of [timelineMarkdown(story), timelineHtml(story)])
      for (const { seq } of story.moments) expect(text).toContain(`S ${seq}`)
  })

  it('loads nothing and runs nothing', () => {
    expect(timelineHtml(story)).not.toMatch(/<script|<link|<img|<iframe|<form|\son\w+=|href=|src=|url\(/i)
  })

  it.each([
    [{ trace: 'abc' }, 'trace abc'],
    [{ incident: 'alert-1' }, 'incident alert-1'],
    [{ sinceMs: 0, untilMs: 1000 }, 'since 1970-01-01T00:00:00.000Z until 1970-01-01T00:00:01.000Z'],
  ])('of %o is headed %s', (query, heading) => {
    expect(queryText(query)).toBe(heading)
  })
})
