import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Committed, Decided, Deduplicated, Identified, Inspected, Limited, Received, Validated } from './call.ts'
import { pass, refuse, type Stage } from './pipeline.ts'
import type { Notes } from './record.ts'

type Known = Received & Identified & Limited & Validated & Inspected & Decided & Deduplicated

/**
 * Makes the decision durable. From here on the outside may change, so nothing that could change it goes on before its
 * intent is on disk. A read passes at once: its outcome will be durable before its answer.
 */
export function commit(log: EvidenceLog, notes: Notes): Stage<Known, Committed> {
  return async (call) => {
    const problem = log.problem()
    if (problem !== undefined && call.checked.effect !== 'read') {
      return refuse(
        {
          code: 'internal',
          message: 'The evidence log cannot be written, so nothing may be changed now. Reads still work.',
          retryAfterMs: 5000,
        },
        { cause: problem },
      )
    }
    if (call.checked.effect === 'read') return pass({})
    return pass({ intent: await log.append(notes.intent(call)) })
  }
}
