import type { Identify, Identity } from '../call/authenticate.ts'
import { within } from '../call/pipeline.ts'
import type { GatewayService } from './mcp.ts'

type Asked = Pick<GatewayService, 'identify' | 'prove'>

/** Longest that anybody waits for an identity, milliseconds. */
const identityTimeoutMs = 30_000

/**
 * The same questions, answered safely: an identity that throws, takes too long or makes no sense is nobody's. Stages are run
 * by the pipeline, which fails closed; an edge asks before there is a pipeline.
 */
export function guardedIdentity(
  { identify, prove }: Asked,
  fault: (error: unknown) => void,
  timeoutMs: number = identityTimeoutMs,
): Asked {
  const sure = (ask: Identify) => guarded(ask, fault, timeoutMs)
  return { identify: sure(identify), prove: sure(prove) }
}

function guarded(ask: Identify, fault: (error: unknown) => void, timeoutMs: number): Identify {
  return async (caller) => {
    try {
      const said = await within(Promise.resolve(ask(caller)), timeoutMs)
      if (isIdentity(said)) return said
      throw new TypeError('what was said of a caller is no identity')
    } catch (error) {
      fault(error)
      return { ok: false, code: 'internal', why: `identity: ${error instanceof Error ? error.name : typeof error}` }
    }
  }
}

/** What an identity may hold, before anybody knows that it is one. */
interface Said {
  readonly ok: unknown
  readonly code: unknown
  readonly who: Partial<Record<'tenant' | 'issuer' | 'subject' | 'session', unknown>> | null
}

function isIdentity(said: Partial<Said> | Identity | undefined | null): said is Identity {
  if (said?.ok === false) return typeof said.code === 'string'
  const { who } = (said ?? {}) as Partial<Said>
  return said?.ok === true && [who?.tenant, who?.issuer, who?.subject, who?.session].every(isName)
}

const isName = (value: unknown): boolean => typeof value === 'string' && value !== ''
