import type { KeyObject } from 'node:crypto'
import type { EgressCall } from '../adapters/egress-undici.ts'
import type { ServiceClient } from '../adapters/service-http.ts'
import { authenticate, type Identify, type Watch } from '../call/authenticate.ts'
import type { Approved, Identified, Received } from '../call/call.ts'
import { approve } from '../call/approve.ts'
import { commit } from '../call/commit.ts'
import { decide } from '../call/decide.ts'
import { deduplicate, type Idempotency } from '../call/deduplicate.ts'
import { halt, queryOf, stops, type Enforced } from '../call/halt.ts'
import { inspect } from '../call/inspect.ts'
import { invoke, type Reach } from '../call/invoke.ts'
import { limit, type Limiter } from '../call/limit.ts'
import type { Notes } from '../call/record.ts'
import { redact } from '../call/redact.ts'
import { requestStates } from '../call/request-state.ts'
import { shownTo } from '../call/shown.ts'
import type { Stages } from '../call/stages.ts'
import { validate } from '../call/validate.ts'
import type { Provenance } from '../detection/provenance.ts'
import type { Scanner } from '../dlp/finding.ts'
import { marks } from '../dlp/markers.ts'
import type { Principal } from '../identity/principal.ts'
import { ticketFor } from '../identity/ticket.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import { isJsonObject, type Json } from '../ports/json.ts'
import type { StateStore } from '../ports/state-store.ts'
import type { Departed, EgressFetch } from '../ports/tool.ts'
import { describeUrl, domainOf, isCovered, isMapped, judgeUrl, type Blocked } from '../tools/egress.ts'
import type { Digests } from './digests.ts'
import type { GrantDesk } from './grant-desk.ts'
import { outputCheck } from './output-check.ts'
import type { GatewayOptions } from './options.ts'
import type { Switchboard } from './switchboard.ts'
import { unhurried } from './unhurried.ts'

/** What the stages are made of, opened once and shared by all calls. */
export interface StageParts {
  readonly options: GatewayOptions
  readonly clock: Clock
  readonly log: EvidenceLog
  readonly state: StateStore
  readonly switchboard: Switchboard
  readonly grants: GrantDesk
  /** Authenticates what clients send back when a call waited for a person. */
  readonly requestStateKey: KeyObject
  readonly identify: Identify
  readonly watch: Watch
  readonly enforced: Enforced
  readonly limiter: Limiter
  readonly scanner: Scanner
  /** Stricter: for arguments that go to a third party. */
  readonly departing: Scanner
  readonly provenance: Provenance
  readonly digests: Digests
  readonly notes: Notes
  readonly services: ServiceClient
  readonly egress: (call: EgressCall) => EgressFetch
}

/** Longest a tool may take, and longest any stage may. */
const toolTimeoutMs = 20_000
export const stageTimeoutMs = 30_000

/** Builds every stage for the options in force, and the way idempotency keys are settled afterwards. */
export function buildStages(parts: StageParts): { readonly stages: Stages; readonly idempotency: Idempotency } {
  const { options, switchboard, scanner, provenance, digests } = parts
  const idempotency = deduplicate({ state: parts.state, clock: parts.clock, digest: digests.plain })
  const reach = reachOf(parts)
  const halted = halt(switchboard.forbids, parts.enforced)
  const stages: Stages = {
    authenticate: authenticate(parts.identify, parts.watch),
    halt: halted,
    limit: limit(parts.limiter, (call) => digests.plain('', repeatable(call))),
    validate: validate(),
    inspect: unhurried(
      inspect({
        scanner,
        trace: provenance.trace,
        destination: destinationJudge(parts),
        ticket: async (ticket, who, tool) => ticketFor(options.tickets, ticket, who, tool, parts.clock.nowMs()),
      }),
    ),
    decide: unhurried(
      decide({
        policy: options.policy,
        scanner: parts.departing,
        halt: halted,
        rights: (who) => rightsOf(parts, who),
        waitingFor: ({ tenant, actor }, scope) => parts.grants.waitingFor(tenant, actor.id, scope),
        describeUrl: urlJudge(options),
        home: (region) => options.regions.backends[region],
        context: (call, region) => reach(call, region).context,
        sessionTainted: provenance.sessionTainted,
        tiedWrites: options.identity.replay !== 'lenient',
      }),
    ),
    deduplicate: unhurried(idempotency.stage),
    commit: unhurried(commit(parts.log, parts.notes, approving(parts))),
    invoke: invoke({ forbids: switchboard.forbids, enforced: parts.enforced, reach, timeoutMs: toolTimeoutMs }),
    redact: redact({
      scanner,
      markers: (output: Json) => marks(output).markers,
      learn: provenance.learn,
      fits: outputCheck(options.catalog.list),
    }),
  }
  return { stages, idempotency }
}

/** Where a person is asked, if a rule or a switch wants that. */
function approving({ options, clock, state, switchboard, grants, enforced, scanner, digests, ...parts }: StageParts) {
  return approve({
    ask: (question) => grants.ask(question),
    forbids: switchboard.forbids,
    enforced,
    digest: digests.plain,
    show: (tenant, args) => shownTo(scanner, tenant, args),
    policyDigest: options.policy.digest,
    states: requestStates({ key: parts.requestStateKey, clock, state }),
  })
}

/** What makes two calls the same attempt: the tool and the arguments, whatever key or order they come with. */
function repeatable({ toolName, rawArgs }: Received): Json {
  if (!isJsonObject(rawArgs)) return [toolName, rawArgs]
  const { idemKey: _key, ...rest } = rawArgs
  return [toolName, rest]
}

/** Where a call points, as the lists stand; a switch that closes a domain is asked for when the call is invoked, and at every hop. */
function destinationJudge({ options }: StageParts) {
  return (url: URL) => {
    const judged = judgeUrl(url, options.egress, closedBy(options))
    return { url, domain: judged.domain, allowed: judged.kind === 'allowed' }
  }
}

/** A URL as policy asks about it. A name that development leads to a port of its own is no inside address. */
function urlJudge({ egress }: GatewayOptions) {
  return (url: URL) => ({ ...describeUrl(url), ...(isMapped(domainOf(url), egress) && { is_private: false }) })
}

/** Domains closed by configuration, which no switch can open. */
function closedBy({ egress }: GatewayOptions): Blocked {
  return (domain) => egress.block.some((closed) => isCovered(domain, closed))
}

const rightsOf = ({ switchboard }: StageParts, { tenant, actor, rights }: Principal): readonly string[] =>
  switchboard.rightsOf({ tenant, actor: actor.id, rights })

type Caller = Received & Identified & Approved & { readonly idem?: { readonly keyDigest: string } }

/** What a tool may use during one call: the services of its region and the guarded way out, each under its own span. */
function reachOf(parts: StageParts) {
  const { options, services, egress, switchboard } = parts
  const closed = closedBy(options)
  return (call: Caller, region: string): Reach => {
    const { who, trace, signal, idem } = call
    const begin = () => trace.begin('service')
    const operation = idem ? { operationId: idem.keyDigest } : {}
    const blocked: Blocked = (domain) => closed(domain) || stops(switchboard.forbids(queryOf(call, domain)), call)
    const stopped = () => stops(switchboard.forbids(queryOf(call)), call)
    let left: Departed | undefined
    const departed = (what: Departed): void => void (left ??= what)
    const context = {
      call: { req: call.id, traceId: trace.traceId, spanId: trace.spanId, session: who.session },
      tenant: who.tenant,
      actor: who.actor.id,
      grants: rightsOf(parts, who),
      region,
      signal,
      ...operation,
      service: services({ tenant: who.tenant, region, signal, stopped, begin, ...operation }),
      fetch: spanned(egress({ signal, blocked, departed }), begin),
    }
    return { context, departed: () => left }
  }
}

function spanned(fetch: EgressFetch, begin: () => { end(): number }): EgressFetch {
  return async (request) => {
    const part = begin()
    try {
      return await fetch(request)
    } finally {
      part.end()
    }
  }
}
