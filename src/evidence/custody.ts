import type { JsonObject } from '../ports/json.ts'
import type { Signer } from '../ports/signer.ts'
import { canonicalize } from './canonical.ts'
import { genesisPrev, pae } from './chain.ts'
import type { Query } from './manifest.ts'

/** What a custody line's signature says it signs (DSSE payload type). */
const custodyType = 'application/vnd.sluicegate.custody.v1+json'

/** One step in the life of a bundle: who had it, when, and why. */
export interface CustodyStep {
  readonly action: 'export'
  readonly atMs: number
  readonly by: string
  readonly query: Query
  readonly ticket?: string
  readonly exportRecord?: { readonly stream: string; readonly seq: number; readonly leaf: string }
}

/** The first line of `custody.jsonl`: canonical JSON, TAB, signature. Each further line's `prev` is the SHA-256 of the line before, without its LF. */
export async function firstCustodyLine(step: CustodyStep, signer: Signer): Promise<string> {
  const text = canonicalize({ ...step, v: 1, seq: 0, prev: genesisPrev } as unknown as JsonObject)
  const signature = await signer.sign(pae(custodyType, Buffer.from(text)))
  return `${text}\t${Buffer.from(signature).toString('base64')}\n`
}
