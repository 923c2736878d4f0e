import type { Scanner } from '../dlp/finding.ts'
import type { Principal } from '../identity/principal.ts'
import type { Policy, PolicyInput, PolicyVerdict } from '../policy/verdict.ts'
import type { JsonObject } from '../ports/json.ts'
import type { ToolContext } from '../ports/tool.ts'
import type { Decided, Identified, Inspected, Received, Validated } from './call.ts'
import { endingOf } from './failure.ts'
import { pass, refuse, type Stage, type Verdict } from './pipeline.ts'
import { untied } from './untied.ts'

type Known = Received & Identified & Validated & Inspected

export interface DecideParts {
  readonly policy: Policy
  readonly scanner: Scanner
  /** What the URL's host is, judged as written. */
  readonly describeUrl: (url: URL) => NonNullable<PolicyInput['url']>
  /** Backend region of a subject's region; undefined when no backend serves it. */
  readonly home: (subjectRegion: string) => string | undefined
  /** The switches, asked once more: only now is it known which rights the call needs. */
  readonly halt: Stage<Known, object>
  /** The caller's rights without those that a switch revoked. */
  readonly rights: (who: Principal) => readonly string[]
  /** What a tool's preview may use. */
  readonly context: (call: Known, region: string) => ToolContext
  /** A request for an elevation by this scope that waits for a person. */
  readonly waitingFor: (who: Principal, scope: string) => string | undefined
  /** An output of this session carried injection markers. */
  readonly sessionTainted: (session: string) => boolean
  /** Changes need a token that only its sender can use; not asked for in loopback development. */
  readonly tiedWrites: boolean
}

/**
 * Asks whether the credential and the policy let this caller make this call with these arguments.
 * A missing scope ends it first; then a matching deny wins; without a matching allow the answer is no.
 */
export function decide(parts: DecideParts): Stage<Known, Decided> {
  return async (call) => {
    const missing = call.checked.scopes(call.args).filter((scope) => !call.who.rights.includes(scope))
    if (missing.length > 0) return scopeMissing(parts, call, missing)
    const revoked = await parts.halt(call)
    if (revoked.kind !== 'pass') return revoked
    const loose = parts.tiedWrites ? untied(call) : undefined
    if (loose) return loose
    const region = parts.home(call.who.region)
    if (region === undefined) return regionUnavailable()
    const judged = await truth(parts, call, region)
    if (judged.kind === 'refuse') return judged
    const verdict = parts.policy.judge(inputOf(parts, call, judged.args))
    return verdict.effect === 'deny' ? denied(verdict) : obliged(parts, call, verdict, region, judged.args)
  }
}

/** The arguments as policy sees them: where the service knows better, the larger truth. Without its word there is no call. */
async function truth(parts: DecideParts, call: Known, region: string) {
  if (!call.checked.preview) return { kind: 'known', args: call.args } as const
  try {
    const preview = await call.checked.preview(call.args, parts.context(call, region))
    return { kind: 'known', args: { ...call.args, ...preview } } as const
  } catch (error) {
    const ending = endingOf(error)
    if (!ending) throw error
    return { kind: 'refuse', refusal: ending.refusal } as const
  }
}

function inputOf(parts: DecideParts, call: Known, args: JsonObject): PolicyInput {
  const { who, found, destination, taint, ticket, checked } = call
  return {
    tool: checked.definition.name,
    args,
    subject: { id: who.subject, region: who.region, tenant: who.tenant },
    actor: { id: who.actor.id, type: who.actor.type },
    grants: parts.rights(who),
    data: { contains_pii: found.count > 0 || checked.returnsPii === true, pii_count: found.count },
    ...(destination && {
      egress: { domain: destination.domain, domain_in_allowlist: destination.allowed },
      url: parts.describeUrl(destination.url),
    }),
    taint: { tainted: taint.tainted, source_markers: taint.sourceMarkers },
    session: { tainted: parts.sessionTainted(who.session) },
    ctx: { ...(ticket !== undefined && { ticket }) },
  }
}

/** Applies what the allowing rules ask for: a route, and nothing personal or secret to third parties. */
function obliged(
  parts: DecideParts,
  call: Known,
  verdict: PolicyVerdict,
  home: string,
  judged: JsonObject,
): Verdict<Decided> {
  if (verdict.routeConflict) return regionUnavailable(verdict.rules)
  const region = verdict.route ?? home
  if (call.checked.effect !== 'egress') return pass({ verdict, region, judged, sent: call.args })
  const sent = parts.scanner.redact(call.args, { tenant: call.who.tenant, fields: verdict.redact })
  if (sent.blocked !== undefined) return refuse(leak(sent.blocked), { rules: verdict.rules })
  const again = call.checked.validate(sent.value)
  if (!again.ok || !samePlace(call, again.args)) return refuse(leak('personal data'), { rules: verdict.rules })
  return pass({ verdict, region, judged, sent: again.args })
}

/** Rewriting arguments must never move where they point. */
function samePlace(call: Known, args: JsonObject): boolean {
  return call.checked.destination?.(args).origin === call.destination?.url.origin
}

function denied({ deniedBy, rules }: PolicyVerdict): Verdict<never> {
  if (!deniedBy) {
    return refuse({ code: 'policy_denied', message: 'Denied: no policy rule allows this call.' }, { rules })
  }
  const message = `Denied: ${deniedBy.reason}`
  return deniedBy.namesTicket
    ? refuse(
        {
          code: 'ticket_required',
          message,
          field: 'ticket',
          elevate: { field: 'ticket', how: 'Get a change ticket approved for this tool and pass its id in `ticket`.' },
        },
        { rules },
      )
    : refuse({ code: 'policy_denied', message }, { rules })
}

/** Where a request for the scope waits already, the agent is pointed to it: asking again would change nothing. */
function scopeMissing(parts: DecideParts, call: Known, missing: readonly string[]): Verdict<never> {
  const message = `This call needs the scope ${call.checked.scopes(call.args).join(' ')}.`
  const request = missing.map((scope) => parts.waitingFor(call.who, scope)).find((id) => id !== undefined)
  if (request === undefined)
    return refuse({ code: 'scope_missing', message, elevate: { scopes: missing, how: asking } })
  const how = `Request ${request} for it waits for a person. Repeat the call once it is approved.`
  return refuse({
    code: 'scope_missing',
    message: `${message} ${how}`,
    retryAfterMs: 60_000,
    elevate: { scopes: missing, request, how },
  })
}

const asking =
  'Ask for a token that carries these scopes, or have a person request an elevation for you (`sluicegate grant request`).'

function regionUnavailable(rules: readonly string[] = []): Verdict<never> {
  return refuse(
    { code: 'region_unavailable', message: 'No backend may serve this data in the region it must stay in.' },
    { rules },
  )
}

function leak(kind: string): { readonly code: 'policy_denied'; readonly message: string } {
  return { code: 'policy_denied', message: `Denied: the arguments carry ${kind} that must not leave.` }
}
