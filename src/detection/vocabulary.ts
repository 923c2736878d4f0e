import type { Category } from './event.ts'

const who = [
  'tenant.id',
  'session.id',
  'trace.id',
  'actor.id',
  'actor.type',
  'actor.client',
  'token.jti',
  'token.self_issued',
  'ttl_sec',
  'scope.grants',
  'scope.outside_allow',
]

const call = [
  ...who,
  'tool.name',
  'tool.server',
  'tool.version',
  'tool.effect',
  'tool.annotations.polling',
  'policy.decision',
  'policy.reason',
  'policy.rules',
  'policy.shadow',
  'plan.id',
  'plan.depth',
  'call.retry',
  'call.id',
  'call.transport',
  'call.region',
  'call.opens_prod_write',
  'args.hash',
  'args.simhash',
  'args.size_bytes',
  'data.pii_count',
  'egress.domain',
  'egress.registrable_domain',
  'egress.ip',
  'egress.bytes_out',
  'taint.sink.tainted',
  'taint.sink.source',
  'taint.sink.source_markers',
  'taint.sink.in_user_intent',
  'taint.sink.value_hash',
]

const result = ['result.hash', 'result.status', 'result.error', 'result.rows', 'result.size_bytes', 'result.markers']

/** Fields an event of each category may have, before features. A rule that names another one would never match, and is refused. */
export const vocabulary: Readonly<Record<Category, readonly string[]>> = {
  mcp_tool_invoke: call,
  mcp_tool_result: [...call, ...result],
  mcp_egress: call,
  grant_change: [
    ...who,
    'grant.id',
    'grant.scope',
    'grant.change',
    'grant.subject',
    'grant.issued_by',
    'grant.outside_allow',
    'grant.opens_prod_write',
    'grant.tools_count',
    'grant.ticket',
    'grant.elevation',
  ],
  change_ticket: [...who, 'ticket.ticket', 'ticket.state', 'ticket.subject'],
  catalog_change: [...who, 'catalog.digest', 'catalog.tools', 'catalog.detections'],
  switch_change: [
    ...who,
    'switch.id',
    'switch.change',
    'switch.kind',
    'switch.target',
    'switch.issued_by',
    'switch.alert',
  ],
  stream_health: ['stream.id', 'stream.event'],
}

/** What only examples in rule files may give: raw identifiers, from which provenance is computed on the spot. */
export const exampleOnly: readonly string[] = ['result.identifiers', 'args.identifiers', 'user_intent.identifiers']
