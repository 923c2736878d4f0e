import type { EvidenceLog } from '../ports/evidence-log.ts'
import type {
  Approved,
  Committed,
  Decided,
  Deduplicated,
  Identified,
  Inspected,
  Limited,
  Received,
  Validated,
} from './call.ts'
import { pass, refuse, type Stage } from './pipeline.ts'
import type { Notes } from './record.ts'

type Known = Received & Identified & Limited & Validated & Inspected & Decided & Deduplicated

/**
 * Asks for a person's approval where the decision needs one, then makes the decision durable. From here on the outside may change, so nothing that could change it goes on before its
 * intent is on disk. A read passes at once: its outcome will be durable before its answer.
 */
export function commit(log: EvidenceLog, notes: Notes, approve: Stage<Known, Approved>): Stage<Known, Committed> {
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
    const approved = await approve(call)
    if (approved.kind !== 'pass') return approved
    const { learned } = approved
    if (call.checked.effect === 'read') return pass(learned)
    return pass({ ...learned, intent: await log.append(notes.intent({ ...call, ...learned })) })
  }
}
