import { randomUUID } from 'node:crypto'
import type { Alert, Severity } from '../detection/alert.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import type { Ended, Watch } from '../limits/rollout.ts'
import { percent, type Judged } from '../limits/spike.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import type { Receipt } from '../ports/evidence-log.ts'
import { ownAlert } from './alerting.ts'
import type { Digests } from './digests.ts'

/** The gateway's own principal for rollbacks. It has no credential and no session of a caller. */
export const guardActor = { id: 'gateway:rollout-guard', type: 'service' } as const

const session = 'gateway-rollout-guard'

/** What can be told of a watch. */
export type Step = 'begun' | 'rolling back' | 'rolled back' | 'unwatched' | Ended

export interface Story {
  /** What a record says of a watch. */
  step(watch: Watch, step: Step, judged?: Judged): EvidenceEntry
  /** Intent and outcome of one attempt to set the flag back, and what ties them together. */
  attempt(watch: Watch, operation: string, spanId: string): Attempt
  alert(watch: Watch, about: About, evidence: readonly Receipt[]): Alert
}

export interface Attempt {
  readonly intent: EvidenceEntry
  outcome(intent: Receipt, failure?: string): EvidenceEntry
}

export interface About {
  readonly kind: 'rolled back' | 'failing' | 'unwatched' | 'blind'
  readonly judged?: Judged
  readonly why: string
}

export interface StoryParts {
  readonly digests: Pick<Digests, 'keyed' | 'plain'>
  readonly policyDigest: () => string
  /** True for a text in which nothing personal and no secret is found. */
  readonly clean: (text: string) => boolean
  readonly nowMs: () => number
}

/** Puts into words what the guard sees and does. A flag's name was chosen by a caller: one that holds something personal is told as a digest. */
export function story(parts: StoryParts): Story {
  const shown = ({ tenant, name }: Watch): string =>
    parts.clean(name) ? name : `h:${parts.digests.plain(tenant, name).slice(0, 16)}`
  return {
    step: (watch, step, judged) => ({
      type: 'rollout.watch',
      tenant: watch.tenant,
      traceId: watch.call.traceId,
      session: watch.call.session,
      ext: { step, ...facts(watch, shown(watch)), ...(judged && numbers(judged)) },
    }),
    attempt: (watch, operation, spanId) => attemptOf(parts, watch, shown(watch), { operation, spanId }),
    alert: (watch, about, evidence) => alertOf(watch, shown(watch), about, evidence, parts.nowMs()),
  }
}

function facts(watch: Watch, flag: string): JsonObject {
  const { id, env, region, fromPct, toPct, before, rollingBack, attempts, call } = watch
  return {
    watch: id,
    flag,
    env,
    region,
    fromPct,
    toPct,
    callId: call.req,
    raisedBy: call.actor,
    ...(before && { requestsBefore: before.requests, errorsBefore: before.errors }),
    ...(rollingBack && { why: rollingBack, attempts }),
  }
}

const numbers = ({ rate, limit }: Judged): JsonObject => ({ errorRate: percent(rate), errorLimit: percent(limit) })

function attemptOf(
  { digests, policyDigest }: StoryParts,
  watch: Watch,
  flag: string,
  { operation, spanId }: { readonly operation: string; readonly spanId: string },
): Attempt {
  const { tenant, name, env, fromPct: rolloutPct, call } = watch
  const req = randomUUID()
  const common = {
    traceId: call.traceId,
    spanId,
    session,
    req,
    tenant,
    actor: guardActor,
    tool: { name: 'flag.set', effect: 'write' },
    decision: { effect: 'allow', rules: ['rollout-guard'], bundleDigest: policyDigest(), mode: 'enforce' },
    idem: { keyDigest: operation },
    args: digests.keyed(tenant, { name, env, rolloutPct }),
  } as const
  // Repeats are no loop of an agent's: the guard goes on until the flag is back.
  const ext = { callId: req, transport: 'gateway', polling: true, rollback: { ...facts(watch, flag) } }
  return {
    intent: { type: 'call.intent', ...common, ext },
    outcome: (intent, failure) => ({
      type: 'call.outcome',
      ...common,
      result: {
        ...digests.keyed(tenant, told(failure, rolloutPct)),
        status: failure === undefined ? 'ok' : 'error',
        ...(failure !== undefined && { errCode: failure }),
      },
      ext: { ...ext, intentSeq: intent.seq },
    }),
  }
}

const told = (failure: string | undefined, rolloutPct: number): Json =>
  failure === undefined ? { rolloutPct } : failure

const severities: Readonly<Record<About['kind'], Severity>> = {
  'rolled back': 'high',
  failing: 'critical',
  blind: 'high',
  unwatched: 'medium',
}

const titles: Readonly<Record<About['kind'], string>> = {
  'rolled back': 'Rollout rolled back',
  failing: 'Rollout cannot be rolled back',
  blind: 'Rollout cannot be seen',
  unwatched: 'Rollout is not watched',
}

function alertOf(watch: Watch, flag: string, { kind, why }: About, evidence: readonly Receipt[], atMs: number): Alert {
  const { tenant, name, env, fromPct, toPct, call } = watch
  const change = kind === 'unwatched' ? `to ${toPct} %` : `${toPct} % back to ${fromPct} %`
  return {
    ...ownAlert({
      rule: 'rollout_guard',
      title: titles[kind],
      severity: severities[kind],
      summary: `${titles[kind]}: ${flag} in ${env}, ${change}`,
      why,
      runbook: 'docs/runbooks/rollout-rollback.md',
      entity: `${env}/${name}`,
      tenant,
      atMs,
    }),
    actor: call.actor,
    session: call.session,
    trace: call.traceId,
    tools: ['flag.set'],
    tags: ['gateway', 'rollout'],
    evidence: evidence.map(({ stream, seq, leaf }) => ({ stream, seq, leaf })),
  }
}

/** Why a flag is set back when nothing was seen of it. */
export const blindWords = 'The flag service did not tell how the flag is doing for several looks in a row.'

/** Why a raise goes unseen. */
export const unwatchedWords =
  'The flag service does not tell how its flags are doing, or too many are watched: nobody would see an error spike. ' +
  'Later raises of this tenant are recorded without an alert.'
