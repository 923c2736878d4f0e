import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { IssuerKeys } from '../ports/issuer-keys.ts'
import type { TicketRegister } from '../ports/tickets.ts'
import type { EmbeddedDetector } from './detector.ts'
import type { Shipping, ShippingState } from './shipping.ts'

/** What a gateway that runs cannot be without, or should not be without for long. */
type Part = 'evidence' | 'bus' | 'issuer_keys' | 'detector' | 'tickets'

/** How a part is. `warn`: the gateway serves on, and somebody should look; `unfit`: it cannot do its work. */
export interface Condition {
  readonly part: Part
  readonly level: 'ok' | 'warn' | 'unfit'
  /** For everybody: names no file, host or address. Those stand in the log, and `sluicegate doctor` tells them. */
  readonly says: string
}

export interface Watched {
  readonly log: Pick<EvidenceLog, 'problem'>
  readonly detector: Pick<EmbeddedDetector, 'problem'>
  /** Absent when evidence stays in its files. */
  readonly carried?: Pick<Shipping, 'state'>
  readonly tickets: Pick<TicketRegister, 'problem'>
  readonly issuers: readonly { readonly keys: Pick<IssuerKeys, 'trouble'> }[]
}

/** Each part, as it is now. */
export function conditions({ log, detector, carried, tickets, issuers }: Watched): readonly Condition[] {
  return [
    log.problem() === undefined
      ? fine('evidence')
      : unfit('evidence', 'No evidence can be written: calls are refused.'),
    ...(carried ? [busCondition(carried.state())] : []),
    issuerKeysCondition(issuers),
    detector.problem() === undefined
      ? fine('detector')
      : warn('detector', 'The detector could not judge every record; it goes on with those that follow.'),
    tickets.problem() === undefined
      ? fine('tickets')
      : warn('tickets', 'The ticket register could not be read when last asked: no ticket counts until it can.'),
  ]
}

/** Longest that evidence may be on its way before somebody should look, ms. */
const lagMaxMs = 60_000

/** Evidence that waits for the bus is in its files: nothing is lost, and nobody else sees it yet. */
function busCondition({ lagMs }: ShippingState): Condition {
  return lagMs > lagMaxMs
    ? warn(
        'bus',
        'Evidence has waited for the bus for more than a minute: it is safe here, and others do not see it yet.',
      )
    : fine('bus')
}

/** As long as one issuer has keys in force there are calls to serve. */
function issuerKeysCondition(issuers: Watched['issuers']): Condition {
  const troubles = issuers.map(({ keys }) => keys.trouble?.())
  const without = troubles.filter((trouble) => trouble?.inForce === false).length
  if (without > 0 && without === issuers.length)
    return unfit('issuer_keys', 'No issuer has keys in force: every token is refused.')
  if (without > 0) return warn('issuer_keys', 'An issuer has no keys in force: its tokens are refused.')
  return troubles.every((trouble) => trouble === undefined)
    ? fine('issuer_keys')
    : warn('issuer_keys', 'The keys of an issuer could not be renewed: the last good ones are in force.')
}

const fine = (part: Part): Condition => ({ part, level: 'ok', says: '' })
const warn = (part: Part, says: string): Condition => ({ part, level: 'warn', says })
const unfit = (part: Part, says: string): Condition => ({ part, level: 'unfit', says })

/** The sentences of one level. */
export function saidOf(level: Condition['level'], all: readonly Condition[]): readonly string[] {
  return all.filter((one) => one.level === level).map(({ says }) => says)
}

/** By part: 0 in order, 1 a warning, 2 unfit. */
export function conditionLevels(all: readonly Condition[]): Readonly<Record<string, number>> {
  return Object.fromEntries(all.map(({ part, level }) => [part, ['ok', 'warn', 'unfit'].indexOf(level)]))
}
