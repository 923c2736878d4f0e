import { randomBytes } from 'node:crypto'
import type { Keys } from '../adapters/keys-file.ts'
import { scanner } from '../dlp/scan.ts'
import { directory, type PrincipalEntry } from '../identity/directory.ts'
import type { Clock } from '../ports/clock.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import { isJsonObject } from '../ports/json.ts'
import type { TicketRegister } from '../ports/tickets.ts'
import type { StateStore } from '../ports/state-store.ts'
import type { Tool } from '../ports/tool.ts'
import { scopesAsked } from '../tools/scopes.ts'
import { digests } from './digests.ts'
import { grantDesk, type GrantDesk } from './grant-desk.ts'
import { grantStore } from './grant-store.ts'
import type { Switchboard } from './switchboard.ts'

export interface OpenGrantsParts {
  /** What the configuration in force says when it is asked; no tools where nobody knows which there are. */
  readonly options: () => {
    readonly tools?: readonly Tool[]
    readonly principals: readonly PrincipalEntry[]
    /** Absent where nobody knows which register counts. */
    readonly tickets?: TicketRegister
  }
  readonly clock: Clock
  readonly keys: Keys
  readonly log: EvidenceLog
  readonly state: StateStore
  readonly switchboard: Pick<Switchboard, 'list' | 'rightsOf' | 'engage'>
  readonly fault: (error: unknown) => void
}

/** The desk of a gateway: requests live in its state store, decisions in its evidence. */
export function openGrants(parts: OpenGrantsParts): Promise<GrantDesk> {
  const { options, clock, log, state, switchboard, fault } = parts
  return grantDesk({
    store: grantStore(state, clock, fault),
    log,
    clock,
    id: () => `gr-${randomBytes(8).toString('hex')}`,
    rules: {
      scopes() {
        const { tools } = options()
        return tools && scopesAsked(tools)
      },
      denied: (principal) => directory(options().principals).find(principal)?.deny ?? [],
      halted: (...asked) => halted(switchboard, ...asked),
      ticket: (...asked) => ticketProblem(options().tickets, clock.nowMs(), ...asked),
      order: (id, order, by) => switchboard.engage(order, by, id),
    },
    tame: tamer(parts),
    fault,
  })
}

/** While calls need a person one by one, nobody is handed a standing right; and a revoked right comes back by its release only. */
function halted(
  switchboard: OpenGrantsParts['switchboard'],
  tenant: string,
  actor: string,
  scopes: readonly string[],
): string | undefined {
  const asking = switchboard.list().find(({ kind, target }) => kind === 'approval' && [tenant, 'all'].includes(target))
  if (asking) return `the switch ${asking.id} lets every call be approved by itself, and no rights be given`
  const left = switchboard.rightsOf({ tenant, actor, rights: scopes })
  const revoked = scopes.find((scope) => !left.includes(scope))
  return revoked === undefined ? undefined : `a switch has revoked ${revoked}; release that first`
}

async function ticketProblem(
  register: TicketRegister | undefined,
  nowMs: number,
  tenant: string,
  principal: string,
  ticket: string,
): Promise<string | undefined> {
  if (!register) return `only a running gateway can ask the register about ticket ${ticket}`
  const counting = await register.approvedFor({ tenant, subject: principal }, nowMs)
  if (counting.includes(ticket)) return undefined
  return `the register knows no approved ticket ${ticket} of ${principal}; have it approved, or ask without it`
}

/** People write what they like; evidence keeps no address and no secret of it. */
function tamer({ keys, clock }: OpenGrantsParts): (tenant: string, text: string) => string {
  const keyed = digests(keys, clock)
  const scan = scanner({ hashKey: (tenant) => ({ id: 'h1', key: keyed.tenantKey(tenant) }) })
  return (tenant, text) => {
    const { value } = scan.redact({ text: text.toWellFormed() }, { tenant, fields: [] })
    return isJsonObject(value) && typeof value['text'] === 'string' ? value['text'] : ''
  }
}
