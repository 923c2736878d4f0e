import type { Identified, Validated } from './call.ts'
import { refuse, type Verdict } from './pipeline.ts'

/**
 * Refuses a change that is asked for with a token which anybody who copied it could use. Gives nothing where the tool only
 * reads, or the token is tied to its sender. The token is good, so this is no matter of authentication: a new one of the
 * same kind would not help.
 */
export function untied({ checked, who }: Identified & Validated): Verdict<never> | undefined {
  if (checked.effect === 'read' || who.tied) return undefined
  return refuse(
    {
      code: 'policy_denied',
      message: 'Denied: this tool changes something, and your access token would serve anybody who copied it.',
      elevate: {
        how: 'Use a token bound to your client certificate or to a DPoP key, or call from a session opened with initialize (2025-11-25) and use the token in that session only.',
      },
    },
    { cause: 'the token is not tied to its sender' },
  )
}
