import type { EvidenceRecord } from '../evidence/record.ts'
import type { EvidenceLog } from '../ports/evidence-log.ts'
import type { Meters } from '../telemetry/metrics.ts'

/** Counts what a durable record says: metrics are a fold over the evidence, like everything else. */
export function countRecord(meters: Meters, { type, decision, egress, ext }: EvidenceRecord): void {
  meters.record(type)
  if (type !== 'call.outcome' && type !== 'call.decision') return
  for (const rule of decision?.rules ?? []) meters.policyHit(rule, decision?.effect ?? 'deny')
  for (const rule of decision?.shadowRules ?? [])
    meters.shadow(rule, decision?.effect ?? 'deny', decision?.shadowEffect ?? 'deny')
  if (decision?.reasonCode === 'unauthenticated' || decision?.reasonCode === 'token_replayed')
    meters.authFailure(decision.reasonCode)
  const domain = ext?.['registrableDomain']
  if (egress?.sizeBytes !== undefined) meters.egress(typeof domain === 'string' ? domain : '_OTHER', egress.sizeBytes)
}

/** The same log, with the time each append waited for the disk measured. */
export function measured<Log extends EvidenceLog>(log: Log, meters: Meters, monoNs: () => bigint): Log {
  const append: EvidenceLog['append'] = async (entry) => {
    const from = monoNs()
    const receipt = await log.append(entry)
    meters.committed(Number(monoNs() - from) / 1e3)
    return receipt
  }
  return Object.create(log, { append: { value: append } }) as Log
}
