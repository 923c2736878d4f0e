import { CLIENT_CAPABILITIES_META_KEY, inputRequired, type ServerContext } from '@modelcontextprotocol/server'
import type { Outcome } from '../call/outcome.ts'
import { isJsonObject, type Json } from '../ports/json.ts'

/** Under this name the client is asked, and answers. */
const asked = 'approval'

/** Longest `requestState` that is looked at; ours are far shorter. */
const stateMax = 512

/**
 * The answer to a call that waits for a person, for clients of 2026-07-28 that can ask theirs: an `input_required` result
 * whose state comes back with the same call. Whoever sits at the client cannot approve anything by it; they only say
 * when it is worth trying again. Undefined for every other ending, for clients that cannot be asked, and for one whose
 * person has just said no: those get the denial.
 */
export function waitForPerson(outcome: Outcome, context: ServerContext): ReturnType<typeof inputRequired> | undefined {
  if (outcome.kind === 'ok' || !outcome.refusal.resume || !elicits(context) || declined(context)) return undefined
  const { denied, resume } = outcome.refusal
  return inputRequired({
    requestState: resume.requestState,
    inputRequests: {
      [asked]: inputRequired.elicit({
        message: `${denied.message} Continue when ${resume.request} has been decided.`,
        requestedSchema: { type: 'object', properties: { retry: { type: 'boolean', title: 'Try again now' } } },
      }),
    },
  })
}

/** The state a client sent back, if any; what is too long to be one of ours is kept short, and will not check. */
export function stateSentBack({ mcpReq }: ServerContext): string | undefined {
  const state = mcpReq.requestState()
  return typeof state === 'string' ? state.slice(0, stateMax) : undefined
}

/** Forms are what a client offers that says nothing more of elicitation. */
function elicits({ mcpReq }: ServerContext): boolean {
  const envelope = mcpReq.envelope as Json | undefined
  const capabilities = isJsonObject(envelope) ? envelope[CLIENT_CAPABILITIES_META_KEY] : undefined
  const elicitation = isJsonObject(capabilities) ? capabilities['elicitation'] : undefined
  return isJsonObject(elicitation) && ('form' in elicitation || Object.keys(elicitation).length === 0)
}

function declined({ mcpReq }: ServerContext): boolean {
  const answer = mcpReq.inputResponses?.[asked] as Json | undefined
  return isJsonObject(answer) && answer['action'] !== 'accept'
}
