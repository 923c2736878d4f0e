import type { Code } from './outcome.ts'

/** Who can end refusals with a code: the agent itself, time alone, a person who grants or approves, or whoever operates the gateway. */
export type Helper = 'agent' | 'time' | 'person' | 'operator'

export interface Advice {
  readonly by: Helper
  /** What to do, as the published schema tells it to agents. */
  readonly how: string
}

/** What to do about each code. `test/contract/denied.test.ts` follows every one of these and succeeds. */
export const advice: Readonly<Record<Code, Advice>> = {
  unauthenticated: { by: 'agent', how: 'Bring a valid token; the challenge over HTTP names where to get one.' },
  token_replayed: {
    by: 'agent',
    how: 'Get a fresh token of your own: this one was used before, or by another sender.',
  },
  scope_missing: { by: 'person', how: 'Ask for a token that carries elevate.scopes, or for an elevation.' },
  policy_denied: { by: 'agent', how: 'Change the call as the message says. The same call will be denied again.' },
  ticket_required: {
    by: 'person',
    how: 'Get a change ticket approved for this tool and pass its id in the named field.',
  },
  approval_required: { by: 'person', how: 'Wait until a person has approved, then make the same call again.' },
  invalid_arguments: { by: 'agent', how: 'Correct the named field.' },
  unknown_tool: { by: 'agent', how: 'Ask tools/list and use a tool that is there.' },
  quarantined: { by: 'operator', how: 'Use another tool, or wait until an operator releases this one.' },
  read_only: { by: 'operator', how: 'Only read, until an operator ends the read-only mode.' },
  session_killed: { by: 'operator', how: 'Stop. An operator must look and release the session.' },
  tenant_halted: { by: 'operator', how: 'Stop. An operator must release the tenant.' },
  egress_denied: { by: 'agent', how: 'Use a destination that may be called; this one may not.' },
  region_unavailable: { by: 'person', how: 'Use a credential of the region that holds the data.' },
  rate_limited: { by: 'time', how: 'Wait retryAfterMs and make the call again.' },
  concurrency_limited: { by: 'time', how: 'Wait until one of your calls has ended, at least retryAfterMs.' },
  budget_exhausted: { by: 'time', how: 'Wait retryAfterMs, until the budget is renewed.' },
  loop_stopped: { by: 'time', how: 'Do something else, or let the call rest for retryAfterMs.' },
  plan_too_deep: { by: 'agent', how: 'Report what you have and begin a new plan.' },
  idempotency_key_required: {
    by: 'agent',
    how: 'Pass a new UUID in the named field; the same one when you repeat the call.',
  },
  idempotency_conflict: {
    by: 'agent',
    how: 'Wait retryAfterMs where it is given; else pass a new UUID in the named field.',
  },
  outcome_unknown: {
    by: 'agent',
    how: 'Look whether the change was made. Only if it was not, repeat it with a new UUID.',
  },
  output_withheld: { by: 'operator', how: 'Do not repeat the call. An operator must look at the tool.' },
  upstream_unavailable: { by: 'time', how: 'Nothing was changed. Wait retryAfterMs and make the call again.' },
  upstream_failed: { by: 'operator', how: 'Do not repeat the call at once. An operator must look at the service.' },
  internal: { by: 'operator', how: 'Tell an operator the id in the message.' },
}
