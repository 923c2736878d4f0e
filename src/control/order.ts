import { z } from 'zod'
import { switchKinds, type Engage, type IssuedBy, type Release, type SwitchKind } from './command.ts'

/** What somebody asks for, before it has an id, a place in the log and a signature. */
export interface OrderRequest {
  readonly kind: SwitchKind
  /** Session key, tool, domain, tenant, jti, scope or `<actor>/<scope>`; `all` or a tenant for read-only, catalog, approval. */
  readonly target: string
  readonly reason: string
  /** One hour when absent. */
  readonly ttlMs?: number
  readonly approver?: string
  /** Narrows the order to one tenant. */
  readonly tenant?: string
  /** For `limits`: the new ceilings. */
  readonly set?: Readonly<Partial<Record<Ceiling, number>>>
  /** Alert that led to it. */
  readonly alert?: string
}

const defaultTtlMs = 3_600_000
const ttlMaxMs = 90 * 24 * 3_600_000

/** Ceilings a `limits` order may set, as the configuration spells them. */
export const ceilings = ['rpm', 'burst', 'concurrency', 'daily_cost_usd', 'max_plan_depth', 'max_retries'] as const
export type Ceiling = (typeof ceilings)[number]

/** Why an order was not taken, in a sentence for whoever gave it. It is not in force. */
export class OrderRefused extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'OrderRefused'
  }
}

const text = z.string().trim().min(1).max(512)

/** The schema of a request. Refuses unknown fields, a target that cannot exist, and an order that could never end. */
export const OrderRequest: z.ZodType<OrderRequest> = z
  .strictObject({
    kind: z.enum(switchKinds, { error: `kind must be one of ${switchKinds.join(', ')}` }),
    target: text,
    reason: text,
    ttlMs: z
      .int()
      .min(1_000, 'a switch lasts at least one second')
      .max(ttlMaxMs, 'a switch lasts at most 90 days')
      .exactOptional(),
    approver: text.exactOptional(),
    tenant: text.exactOptional(),
    set: z.partialRecord(z.enum(ceilings), z.number().min(0)).exactOptional(),
    alert: text.exactOptional(),
  })
  .superRefine((request, context) => {
    const problem = targetProblem(request)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: problem.path, message: problem.message })
  })

/** Who stands behind a command, and where it comes in the log. */
export interface Origin {
  readonly id: string
  readonly seq: number
  readonly atMs: number
  readonly issuedBy: IssuedBy
}

/** A request as a command. The request has passed `OrderRequest`. */
export function engage(request: OrderRequest, origin: Origin): Engage {
  const { kind, target, ttlMs = defaultTtlMs, ...rest } = request
  return { action: 'engage', ...origin, ...rest, kind, target: kind === 'egress' ? domainOf(target) : target, ttlMs }
}

/** The order that ends a switch before its time. */
export function release(id: string, reason: string, origin: Omit<Origin, 'id'>): Release {
  return { action: 'release', ...origin, id, reason }
}

interface Problem {
  readonly path: string[]
  readonly message: string
}

const targetForms: Readonly<Partial<Record<SwitchKind, { readonly form: RegExp; readonly means: string }>>> = {
  session: {
    form: /^[0-9a-f]{12}-[scmpn][0-9a-f]{12}$/,
    means: 'a session key, as `sluicegate evidence list` shows it',
  },
  egress: { form: /^[\p{L}\p{N}._-]{1,253}$|^\[[0-9a-f:.]+\]$/iu, means: 'a domain without scheme, port or path' },
  grant: { form: /^(\S+\/)?[a-z][\w.-]*(:[\w.-]+)?$/, means: 'a scope, or `<actor>/<scope>`' },
  tenant: { form: /^(?!all$)/, means: 'one tenant by its name; to stop everyone, engage `catalog all`' },
}

function targetProblem({ kind, target, tenant, set }: OrderRequest): Problem | undefined {
  if (kind === 'consumer')
    return { path: ['kind'], message: 'nothing obeys a consumer switch in this version; engage another kind' }
  if (tenant === 'all')
    return { path: ['tenant'], message: 'tenant names one tenant; leave it out to order for all of them' }
  const wanted = targetForms[kind]
  if (wanted && !wanted.form.test(target))
    return { path: ['target'], message: `the target of a ${kind} switch is ${wanted.means}` }
  if (/\s/.test(target)) return { path: ['target'], message: 'a target holds no spaces' }
  if (kind === 'limits' && Object.keys(set ?? {}).length === 0)
    return { path: ['set'], message: `a limits switch says what it sets, e.g. rpm=10 (one of ${ceilings.join(', ')})` }
  if (kind !== 'limits' && set !== undefined) return { path: ['set'], message: `only a limits switch sets ceilings` }
  return undefined
}

/** One spelling for one domain: lower case, punycode, no final dot. */
function domainOf(host: string): string {
  const url = URL.parse(`http://${host}/`)
  return (url?.hostname ?? host.toLowerCase()).replace(/\.$/, '')
}
