import { z } from 'zod'
import type { Json, JsonObject } from '../ports/json.ts'

/** Every type a record may have. Types may be added under `v: 1` until release 1.0, in this table only. */
export const recordTypes = [
  'stream.genesis',
  'stream.resume',
  'stream.close',
  'stream.gap',
  'key.introduce',
  'call.intent',
  'call.decision',
  'call.outcome',
  'call.unknown',
  'grant.issue',
  'grant.request',
  'grant.approve',
  'grant.deny',
  'grant.spend',
  'grant.expire',
  'kill.apply',
  'kill.release',
  'switch.enforced',
  'policy.load',
  'catalog.load',
  'config.load',
  'certificate.load',
  'certificate.refused',
  'certificate.due',
  'config.refused',
  'ticket.approved',
  'service.breaker',
  'rollout.watch',
  'alert',
  'export',
] as const

export type RecordType = (typeof recordTypes)[number]

/** Who acted. `client` is what the client says of itself and proves nothing. */
export interface Actor {
  readonly id: string
  readonly type: 'agent' | 'user' | 'service' | 'mcp' | 'operator' | 'detector'
  readonly client?: string
  readonly onBehalfOf?: string
  readonly certThumb?: string
  readonly jti?: string
}

/** A keyed digest of something that is not itself stored: HMAC-SHA-256 under a per-tenant, per-month key. */
export interface KeyedDigest {
  readonly digest: string
  readonly alg: 'hmac-sha256'
  readonly keyId: string
  readonly sizeBytes: number
}

export interface Grant {
  readonly scope: string
  readonly ticket?: string
  /** Milliseconds since the epoch. */
  readonly exp?: number
  /** Granted just in time, by an elevation. */
  readonly jit?: boolean
}

/** What the policy said, and what a shadow rule would have said. */
export interface DecisionNote {
  readonly effect: 'allow' | 'deny'
  readonly rules: readonly string[]
  /** SHA-256 of the policy bundle that judged the call. */
  readonly bundleDigest: string
  readonly mode: 'enforce' | 'shadow'
  readonly shadowEffect?: 'allow' | 'deny' | 'require_approval'
  readonly shadowRules?: readonly string[]
  readonly obligations?: readonly string[]
  /** A stable refusal code, when the call was refused. */
  readonly reasonCode?: string
}

/**
 * What a caller hands to the log: one thing that happened, without the chain around it.
 * No raw argument, result or token ever stands here; digests and counts do.
 */
export interface EvidenceEntry {
  readonly type: RecordType
  /** W3C trace id, 32 lowercase hex. */
  readonly traceId?: string
  readonly spanId?: string
  readonly parentSpanId?: string
  /** Session key, see `identity/session.ts`. */
  readonly session?: string
  /** The gateway's own random id of the call: its intent and its outcome share it, and refusals quote it. */
  readonly req?: string
  readonly tenant?: string
  readonly actor?: Actor
  /** The agent's own account of its plan: a claim. */
  readonly agentPlan?: {
    readonly id?: string
    readonly step?: number
    readonly depth?: number
    readonly retry?: number
    readonly synthetic?: boolean
  }
  readonly tool?: {
    readonly name: string
    readonly version?: string
    readonly server?: string
    readonly effect?: string
    readonly schemaDigest?: string
  }
  readonly grants?: readonly Grant[]
  readonly decision?: DecisionNote
  readonly limits?: {
    readonly budgetUsedMicroUsd?: number
    readonly budgetLimitMicroUsd?: number
    readonly planDepth?: number
    readonly retry?: number
    readonly limit?: string
  }
  readonly idem?: { readonly keyDigest: string; readonly replayOf?: string }
  readonly args?: KeyedDigest
  readonly result?: KeyedDigest & {
    readonly rows?: number
    readonly status: 'ok' | 'error' | 'withheld'
    readonly errCode?: string
  }
  readonly dlp?: {
    readonly piiCount: number
    readonly kinds: Readonly<Record<string, number>>
    readonly detectorVersion: string
  }
  readonly egress?: { readonly domain: string; readonly ip?: string; readonly sizeBytes?: number }
  readonly timing?: { readonly us: Readonly<Record<string, number>> }
  /** Typed per record type, see `extensions`. */
  readonly ext?: JsonObject
}

/** One record of the log, as stored: the entry and its place in the chain. Integers are safe; other numbers are strings. */
export interface EvidenceRecord extends EvidenceEntry {
  readonly v: 1
  readonly stream: string
  readonly seq: number
  /** Leaf hash of the record before, lowercase hex; 64 zeros for the first. */
  readonly prev: string
  /** On the first record after a checkpoint: its index, and the SHA-256 of its line. */
  readonly cp?: { readonly n: number; readonly h: string }
  /** Never lower than the record before. */
  readonly tsMs: number
  /** The clock as it stood. */
  readonly wallMs: number
  /** Monotonic nanoseconds, decimal. */
  readonly monoNs: string
  /** Random 128-bit id of the process, hex. */
  readonly boot: string
}

const hex = (length: number) => z.string().regex(new RegExp(`^[0-9a-f]{${length}}$`))
const count = z.int().min(0)
const name = z.string().min(1).max(512)
const names = z.array(name).max(256)
const json: z.ZodType<Json> = z.json()
const ext: z.ZodType<JsonObject> = z.record(z.string(), json)

const digest = {
  digest: hex(64),
  alg: z.literal('hmac-sha256'),
  keyId: name,
  sizeBytes: count,
}

/** What must be there, per type, beside the fields every record has. */
const required: Readonly<Record<RecordType, readonly (keyof EvidenceEntry)[]>> = {
  'stream.genesis': ['ext'],
  'stream.resume': ['ext'],
  'stream.close': [],
  'stream.gap': ['ext'],
  'key.introduce': ['ext'],
  'call.intent': ['traceId', 'spanId', 'session', 'req', 'tenant', 'actor', 'tool', 'decision', 'args'],
  'call.decision': ['traceId', 'spanId', 'req', 'tool', 'decision'],
  'call.outcome': ['traceId', 'spanId', 'req', 'tool', 'decision', 'result'],
  'call.unknown': ['req', 'tool', 'ext'],
  'grant.issue': ['session', 'tenant', 'actor', 'grants', 'ext'],
  'grant.request': ['tenant', 'actor', 'ext'],
  'grant.approve': ['tenant', 'actor', 'ext'],
  'grant.deny': ['tenant', 'actor', 'ext'],
  'grant.spend': ['tenant', 'actor', 'tool', 'ext'],
  'grant.expire': ['tenant', 'actor', 'ext'],
  'kill.apply': ['ext'],
  'kill.release': ['ext'],
  'switch.enforced': ['session', 'tenant', 'ext'],
  'policy.load': ['ext'],
  'catalog.load': ['ext'],
  'config.load': ['ext'],
  'certificate.load': ['ext'],
  'certificate.refused': ['ext'],
  'certificate.due': ['ext'],
  'config.refused': ['ext'],
  'ticket.approved': ['tenant', 'actor', 'ext'],
  'service.breaker': ['ext'],
  'rollout.watch': ['tenant', 'ext'],
  alert: ['ext'],
  export: ['ext'],
}

/** The schema of a stored record. Refuses unknown fields, unsafe integers and a type whose fields are incomplete. */
export const EvidenceRecord: z.ZodType<EvidenceRecord> = z
  .strictObject({
    v: z.literal(1),
    stream: name,
    seq: count,
    prev: hex(64),
    cp: z.strictObject({ n: count, h: hex(64) }).exactOptional(),
    tsMs: count,
    wallMs: count,
    monoNs: z.string().regex(/^[0-9]{1,20}$/),
    boot: hex(32),
    type: z.enum(recordTypes),
    traceId: hex(32).exactOptional(),
    spanId: hex(16).exactOptional(),
    parentSpanId: hex(16).exactOptional(),
    session: name.exactOptional(),
    req: name.exactOptional(),
    tenant: name.exactOptional(),
    actor: z
      .strictObject({
        id: name,
        type: z.enum(['agent', 'user', 'service', 'mcp', 'operator', 'detector']),
        client: name.exactOptional(),
        onBehalfOf: name.exactOptional(),
        certThumb: name.exactOptional(),
        jti: name.exactOptional(),
      })
      .exactOptional(),
    agentPlan: z
      .strictObject({
        id: name.exactOptional(),
        step: count.exactOptional(),
        depth: count.exactOptional(),
        retry: count.exactOptional(),
        synthetic: z.boolean().exactOptional(),
      })
      .exactOptional(),
    tool: z
      .strictObject({
        name,
        version: name.exactOptional(),
        server: name.exactOptional(),
        effect: name.exactOptional(),
        schemaDigest: hex(64).exactOptional(),
      })
      .exactOptional(),
    grants: z
      .array(
        z.strictObject({
          scope: name,
          ticket: name.exactOptional(),
          exp: count.exactOptional(),
          jit: z.boolean().exactOptional(),
        }),
      )
      .max(256)
      .exactOptional(),
    decision: z
      .strictObject({
        effect: z.enum(['allow', 'deny']),
        rules: names,
        bundleDigest: z.string().regex(/^([0-9a-f]{64})?$/),
        mode: z.enum(['enforce', 'shadow']),
        shadowEffect: z.enum(['allow', 'deny', 'require_approval']).exactOptional(),
        shadowRules: names.exactOptional(),
        obligations: names.exactOptional(),
        reasonCode: name.exactOptional(),
      })
      .exactOptional(),
    limits: z
      .strictObject({
        budgetUsedMicroUsd: count.exactOptional(),
        budgetLimitMicroUsd: count.exactOptional(),
        planDepth: count.exactOptional(),
        retry: count.exactOptional(),
        limit: name.exactOptional(),
      })
      .exactOptional(),
    idem: z.strictObject({ keyDigest: hex(64), replayOf: name.exactOptional() }).exactOptional(),
    args: z.strictObject(digest).exactOptional(),
    result: z
      .strictObject({
        ...digest,
        rows: count.exactOptional(),
        status: z.enum(['ok', 'error', 'withheld']),
        errCode: name.exactOptional(),
      })
      .exactOptional(),
    dlp: z.strictObject({ piiCount: count, kinds: z.record(z.string(), count), detectorVersion: name }).exactOptional(),
    egress: z
      .strictObject({ domain: name, ip: name.exactOptional(), sizeBytes: count.exactOptional() })
      .exactOptional(),
    timing: z.strictObject({ us: z.record(z.string(), count) }).exactOptional(),
    ext: ext.exactOptional(),
  })
  .superRefine((record, context) => {
    for (const field of required[record.type])
      if (record[field] === undefined)
        context.addIssue({ code: 'custom', path: [field], message: `a ${record.type} record needs ${field}` })
  })
