import type { GrantRequest, Subject } from '../../control/request.ts'

/** One request on one line. */
export function shownLine(request: GrantRequest, nowMs: number): string {
  const { id, state, tenant, principal, what, reason, requestedBy, approver, decidedBy } = request
  const by =
    decidedBy === undefined
      ? `asked by ${requestedBy}`
      : `${state === 'denied' ? 'denied' : 'approved'} by ${decidedBy}`
  const only = approver !== undefined && state === 'pending' ? `, for ${approver} to decide` : ''
  return `${id}  ${state}  ${aim(what)} for ${principal} of ${tenant}, ${by}${only}${left(request, nowMs)}: ${reason}`
}

/** Everything a person needs to decide: of a call the arguments as they are, and nothing an agent says of them. */
export function shownWhole(request: GrantRequest, nowMs: number): string {
  const { what, note } = request
  return [
    shownLine(request, nowMs),
    ...(what.kind === 'call' ? [`because of ${what.because.join(', ')}`, JSON.stringify(what.args, null, 2)] : []),
    ...(what.kind === 'order' ? [`asked for by rule ${what.by.rule}, alert ${what.alert}`] : []),
    ...(note === undefined ? [] : [`note: ${note}`]),
  ].join('\n')
}

function aim(what: Subject): string {
  switch (what.kind) {
    case 'elevation':
      return what.scopes.join(' ') + (what.ticket === undefined ? '' : ` (ticket ${what.ticket})`)
    case 'call':
      return `one call of ${what.tool}`
    case 'order':
      return `a ${what.order.kind} switch on ${what.order.target}`
  }
}

function left({ state, pendingUntilMs, endsMs }: GrantRequest, nowMs: number): string {
  const until = state === 'pending' ? pendingUntilMs : state === 'granted' ? endsMs : undefined
  return until === undefined ? '' : `, ${Math.max(0, Math.ceil((until - nowMs) / 1000))} s left`
}
