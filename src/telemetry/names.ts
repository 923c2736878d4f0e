/** Every span, attribute and metric name the project emits. No other file spells one. */

/** The five spans of one call, from the agent's planning step to the redaction of what it gets back. */
export const span = {
  plan: 'agent.plan',
  invoke: 'mcp.tool.invoke',
  decide: 'policy.evaluate',
  service: 'service.api.call',
  redact: 'dlp.redact',
} as const

/** Attributes of spans and their events. A name that is not here is deleted before any exporter sees it. */
export const attribute = {
  actorId: 'actor.id',
  actorType: 'actor.type',
  tool: 'tool.name',
  grants: 'scope.grants',
  decision: 'policy.decision',
  piiCount: 'pii.count',
  idemKey: 'idem.key',
  tenant: 'tenant.id',
  budgetUsed: 'budget.used_usd',
  budgetLimit: 'budget.limit_usd',
  outcome: 'sluicegate.outcome',
  code: 'sluicegate.code',
  evidenceStream: 'evidence.stream',
  evidenceSeq: 'evidence.seq',
  user: 'user.id',
  planId: 'plan.id',
  planStep: 'plan.step',
  planDepth: 'plan.depth',
  planRetry: 'plan.retry',
  planGoal: 'plan.goal',
  planClaimed: 'plan.claimed',
  planSynthetic: 'plan.synthetic',
  planSteps: 'plan.steps',
  agentId: 'gen_ai.agent.id',
  agentName: 'gen_ai.agent.name',
  genAiTool: 'gen_ai.tool.name',
  genAiOperation: 'gen_ai.operation.name',
  mcpMethod: 'mcp.method.name',
  mcpVersion: 'mcp.protocol.version',
  mcpSession: 'mcp.session.id',
  requestId: 'jsonrpc.request.id',
  transport: 'network.transport',
  protocol: 'network.protocol.name',
  statusCode: 'rpc.response.status_code',
  errorType: 'error.type',
  httpMethod: 'http.request.method',
  httpStatus: 'http.response.status_code',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  rule: 'policy.rule.id',
  policyVersion: 'policy.version',
  shadow: 'policy.shadow.decision',
  dlpDirection: 'dlp.direction',
  dlpKinds: 'dlp.kinds',
  dlpCount: 'dlp.count',
  gatewayStage: 'gateway.stage',
  switchId: 'switch.id',
  switchKind: 'switch.kind',
  exceptionType: 'exception.type',
  exceptionMessage: 'exception.message',
} as const

/** Every attribute name that may leave; the collector's allow list is made from it. */
export const attributeNames: ReadonlySet<string> = new Set(Object.values(attribute))

/** Attributes whose values the gateway makes itself: enumerations, counts and digests. They need no scrubbing. */
export const ownValues: ReadonlySet<string> = new Set([
  attribute.actorType,
  attribute.decision,
  attribute.idemKey,
  attribute.outcome,
  attribute.code,
  attribute.evidenceStream,
  attribute.user,
  attribute.genAiOperation,
  attribute.transport,
  attribute.protocol,
  attribute.dlpDirection,
  attribute.gatewayStage,
])

/** Events a span may carry. */
export const event = {
  step: 'plan.step',
  switched: 'switch.enforced',
  other: 'event',
} as const

/** What the resource of every span says: who emits, never where it runs or how it was started. */
export const resource = {
  service: 'service.name',
  version: 'service.version',
  instance: 'service.instance.id',
  environment: 'deployment.environment.name',
} as const

/** Metrics, as OpenTelemetry names them. `/metrics` shows them with `_` for `.`, and `_total` on counters. */
export const metric = {
  operation: 'mcp.server.operation.duration',
  stage: 'sluicegate.stage.duration',
  commit: 'sluicegate.evidence.commit.duration',
  detect: 'sluicegate.detect.duration',
  enforce: 'sluicegate.enforce.duration',
  calls: 'sluicegate.calls',
  policyHits: 'sluicegate.policy.hits',
  policyShadow: 'sluicegate.policy.shadow',
  redactions: 'sluicegate.dlp.redactions',
  egressSize: 'sluicegate.egress.size',
  egressBlocked: 'sluicegate.egress.blocked',
  cost: 'sluicegate.cost',
  breaker: 'sluicegate.breaker.state',
  serviceHeldBack: 'sluicegate.service.held_back',
  serviceRetries: 'sluicegate.service.retries',
  queueLength: 'sluicegate.service.queue.length',
  queueWait: 'sluicegate.service.queue.duration',
  limitHits: 'sluicegate.limits.hit',
  budgetUsed: 'sluicegate.budget.used',
  budgetLimit: 'sluicegate.budget.limit',
  objective: 'sluicegate.tool.objective',
  p95: 'sluicegate.tool.p95',
  objectiveCalls: 'sluicegate.tool.judged',
  objectiveOver: 'sluicegate.tool.over_objective',
  switches: 'sluicegate.switches.engaged',
  alerts: 'sluicegate.alerts',
  deliveries: 'sluicegate.alert.deliveries',
  rollouts: 'sluicegate.rollouts',
  rolloutsOpen: 'sluicegate.rollouts.open',
  detectorLag: 'sluicegate.detector.lag',
  evidenceRecords: 'sluicegate.evidence.records',
  busRecords: 'sluicegate.bus.records',
  /** Age of the oldest durable record that the bus does not have, seconds. */
  busLag: 'sluicegate.bus.lag',
  evidenceProblems: 'sluicegate.evidence.problems',
  authFailures: 'sluicegate.auth.failures',
  secretAge: 'sluicegate.secret.age',
  secretAvailable: 'sluicegate.secret.available',
  secretRotations: 'sluicegate.secret.rotations',
  secretFailures: 'sluicegate.secret.failures',
  certificates: 'sluicegate.certificates',
  certificateAge: 'sluicegate.certificate.age',
  certificateExpiry: 'sluicegate.certificate.expiry',
  cutConnections: 'sluicegate.connections.cut',
  /** By part: 0 in order, 1 a warning, 2 keeps the gateway from being ready. */
  readiness: 'sluicegate.readiness',
  configReloads: 'sluicegate.config.reloads',
  /** 1 while what was last read is what is in force, 0 after a change was refused. */
  configInForce: 'sluicegate.config.in_force',
} as const

/**
 * Labels of metrics. Tenants stand on counters, and with principals on budgets: those of 200 principals that have one. Sessions
 * and URLs stand on none.
 */
export const label = {
  method: 'method',
  tool: 'tool',
  tenant: 'tenant',
  decision: 'decision',
  wouldBe: 'would_be',
  outcome: 'outcome',
  code: 'code',
  errorType: 'error_type',
  stage: 'stage',
  rule: 'rule',
  kind: 'kind',
  direction: 'direction',
  domain: 'domain',
  reason: 'reason',
  server: 'server',
  severity: 'severity',
  sink: 'sink',
  result: 'result',
  consumer: 'consumer',
  secret: 'secret',
  limit: 'limit',
  principal: 'principal',
  type: 'type',
  certificate: 'certificate',
  part: 'part',
} as const

/** Stands for every name that is not in a catalog or an allow list, so that callers cannot make series. */
export const otherName = '_OTHER'
