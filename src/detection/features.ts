import type { Analytic } from './analytic.ts'
import { chain } from './chain.ts'
import type { Category } from './event.ts'
import type { Feature } from './feature.ts'
import { cycle, nearDuplicates, repeatCount } from './repeats.ts'
import { firstSeen } from './seen.ts'
import { robustZ } from './spike.ts'
import { taint } from './taint.ts'

/** The feature an `analytics` entry describes, with empty memory. */
export function featureOf(name: string, analytic: Analytic): Feature {
  switch (analytic.type) {
    case 'sequence_novelty':
      return chain(name, analytic)
    case 'first_seen':
      return firstSeen(name, analytic)
    case 'robust_z':
      return robustZ(name, analytic)
    case 'repeat_count':
      return repeatCount(name, analytic)
    case 'cycle':
      return cycle(name, analytic)
    case 'near_duplicate_count':
      return nearDuplicates(name, analytic)
    case 'provenance':
      return taint(name, analytic)
  }
}

/** Categories of events a feature follows: its rule's own, and for provenance also the outputs that came before. */
export function kindsOf(analytic: Analytic, category: Category): readonly Category[] {
  return analytic.type === 'provenance' ? [...new Set<Category>(['mcp_tool_result', category])] : [category]
}
