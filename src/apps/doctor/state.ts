import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'
import { stateFacts, type StateFacts } from '../../adapters/state-sqlite-facts.ts'
import { bad, fine, told, warn, type Finding } from './finding.ts'

/** The state store, looked at without writing a byte of it: whole, of a schema this release knows, and open to writes. */
export function stateFinding(data: string): Finding {
  const file = join(data, 'state.db')
  if (!existsSync(file)) return fine('no state yet: it is made at the first start')
  try {
    accessSync(file, constants.R_OK | constants.W_OK)
    return judged(file, stateFacts(file))
  } catch (error) {
    return bad(`${file} cannot be used: ${told(error)}`, restore)
  }
}

const restore =
  'Restore it from a backup. Without it budgets, idempotency keys and tokens that were used begin anew: move it away only if that is acceptable.'

function judged(file: string, { verdict, schema, schemaKnown }: StateFacts): Finding {
  if (verdict !== 'ok') return bad(`${file} is damaged: ${verdict}.`, restore)
  if (schema > schemaKnown)
    return bad(
      `${file} was written by a newer release (schema ${schema}, this one knows ${schemaKnown}).`,
      'Use that release.',
    )
  if (schema < schemaKnown)
    return warn(
      `${file} has schema ${schema}; the next start brings it to ${schemaKnown}.`,
      'Back it up before: older releases cannot use it afterwards.',
    )
  return fine(`${file} is whole, schema ${schema}`)
}
