import type { Code } from '../call/outcome.ts'
import type { HaltQuery } from '../call/halt.ts'
import { coversSession } from '../identity/session.ts'
import type { Engage, SwitchKind } from './command.ts'

/** How a kind of switch ends a call. */
export interface Ending {
  readonly code: Code
  /** What the agent reads: nothing about who ordered it, or why. */
  readonly message: string
}

/** Kinds that end calls, in the order in which they are asked. `limits` only slows them down; nothing obeys `consumer` yet. */
export const endings: Readonly<Partial<Record<SwitchKind, Ending>>> = {
  session: {
    code: 'session_killed',
    message: 'This session was stopped. Start no further calls in it; a person must look first.',
  },
  token: { code: 'unauthenticated', message: 'This token was revoked. Ask its issuer for a new one.' },
  tenant: { code: 'tenant_halted', message: 'All calls of this tenant are stopped for now.' },
  tool: { code: 'quarantined', message: 'This tool is quarantined. Use another one, or wait until it is released.' },
  catalog: { code: 'quarantined', message: 'The tool catalog is frozen; no tool may be called until it is released.' },
  'read-only': {
    code: 'read_only',
    message: 'The gateway is in read-only mode; tools that change something are refused.',
  },
  grant: { code: 'scope_missing', message: 'A right this call relies on was revoked.' },
  egress: { code: 'egress_denied', message: 'Connections to this destination are blocked.' },
  // Last: a person's approval lifts this one, and it must never hide a switch that nothing lifts.
  approval: { code: 'approval_required', message: 'Calls that change something need a person’s approval for now.' },
}

/** Where a switch is filed, so that a call finds it without reading all of them. */
export function filedUnder({ kind, target }: Engage): string {
  return `${kind} ${kind === 'session' ? lineageOf(target) : target}`
}

/** Every place where a switch that concerns this call may be filed. */
export function placesOf(kind: SwitchKind, query: HaltQuery): readonly string[] {
  return keysOf(kind, query).map((key) => `${kind} ${key}`)
}

function keysOf(kind: SwitchKind, query: HaltQuery): readonly string[] {
  const { tenant, session, actor, tool, effect, scopes, jti, domain } = query
  switch (kind) {
    case 'session':
      return [lineageOf(session)]
    case 'token':
      return jti === undefined ? [] : [jti]
    case 'tenant':
      return [tenant]
    case 'tool':
      return [tool]
    case 'catalog':
      return ['all', tenant]
    case 'read-only':
    case 'approval':
      return effect === 'read' ? [] : ['all', tenant]
    case 'grant':
      return scopes.flatMap((scope) => grantKeys(actor, scope))
    case 'egress':
      return domain === undefined ? [] : suffixesOf(domain)
    case 'limits':
      return [actor, tenant, tool]
    case 'consumer':
      return []
  }
}

/** Every place where a switch that revokes this right may be filed. */
export function placesOfGrant(actor: string, right: string): readonly string[] {
  return grantKeys(actor, right).map((key) => `grant ${key}`)
}

const grantKeys = (actor: string, right: string): readonly string[] => [right, `${actor}/${right}`]

/** True when the switch, found where a call of its tenant looked, really concerns it. */
export function concerns({ kind, target }: Engage, query: HaltQuery): boolean {
  return kind !== 'session' || coversSession(target, query.session)
}

/** True unless the switch is narrowed to another tenant. */
export const isFor = ({ tenant }: Engage, caller: string): boolean => tenant === undefined || tenant === caller

/** `a.b.example` → itself, `b.example`, `example`: a blocked domain takes its subdomains with it. */
function suffixesOf(domain: string): readonly string[] {
  const labels = domain.toLowerCase().replace(/\.$/, '').split('.')
  return labels.map((_label, index) => labels.slice(index).join('.'))
}

const lineageOf = (session: string): string => session.slice(0, 12)
