import type { Ready, Received } from '../../src/call/call.ts'
import type { Settled } from '../../src/call/handle.ts'
import type { CallRequest } from '../../src/call/receive.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { Proof } from '../../src/identity/proof.ts'
import type { ProvenToken } from '../../src/identity/token.ts'
import type { CallTrace } from '../../src/ports/observer.ts'
import type { Tool } from '../../src/ports/tool.ts'

/** A trace that sees nothing. */
export const blindTrace: CallTrace = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  planned: false,
  begin: () => ({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', end: () => 1 }),
  event: () => undefined,
  end: () => undefined,
}

/** A call that has just arrived. */
export function received(more: Partial<Received> = {}): Received {
  return {
    id: 'call-1',
    atMs: 1_760_000_000_000,
    transport: 'http',
    protocolVersion: '2026-07-28',
    credential: { kind: 'none' },
    toolName: 'flag.set',
    rawArgs: {},
    plan: {},
    trace: blindTrace,
    signal: new AbortController().signal,
    ...more,
  }
}

/** A principal nobody could object to. */
export const someone: Principal = {
  tenant: 'acme',
  actor: { id: 'agent:test', type: 'agent' },
  issuer: 'urn:test',
  subject: 'agent:test',
  session: '0123456789ab-s0123456789ab',
  region: 'US',
  scopes: ['tool.use'],
  rights: ['tool.use'],
  outsideAllow: [],
  selfIssued: false,
  tied: true,
}

/** The proof of a token that nobody judges again. */
export const aProof = new Proof({ token: {} as ProvenToken, binding: {}, tied: true })

/** A tool that does nothing but answer. */
export function aTool(more: Partial<Tool> = {}): Tool {
  return {
    definition: {
      name: 'test.tool',
      title: 'Test',
      description: 'A test.',
      inputSchema: { type: 'object', additionalProperties: false },
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    },
    effect: 'read',
    needsIdemKey: false,
    costUsd: 0,
    visibleWith: ['tool.use'],
    examples: [],
    validate: () => ({ ok: true, args: {} }),
    scopes: () => ['tool.use'],
    invoke: async () => ({ structured: { fine: true } }),
    ...more,
  }
}

/** A call that passed every gate. */
export function ready(tool: Tool = aTool(), more: Partial<Ready> = {}): Ready {
  return {
    ...received({ toolName: tool.definition.name, tool }),
    who: someone,
    limits: { planDepth: 1, retry: 0, budgetUsedMicroUsd: 0 },
    release: () => undefined,
    checked: tool,
    args: {},
    found: { count: 0, kinds: {}, list: [] },
    taint: { tainted: false, sourceMarkers: 0 },
    verdict: { effect: 'allow', rules: ['test'], redact: [], routeConflict: false },
    region: 'us-east',
    judged: {},
    sent: {},
    ...(tool.effect !== 'read' && { intent: aReceipt }),
    ...(tool.needsIdemKey && { idem: { storeKey: 'key', keyDigest: 'digest' } }),
    ...more,
  }
}

export const aReceipt = { stream: 'stream', seq: 7, leaf: '0'.repeat(64), durableMs: 0, durableNs: 0n }

/** What a gateway says to a call whose credential was refused. Anything else is not expected. */
export async function refusedCall({ credential }: CallRequest): Promise<Settled> {
  const refused = credential.kind === 'none' ? credential.refused : undefined
  if (!refused) throw new Error('no call was expected')
  return {
    outcome: { kind: 'refused', refusal: { denied: { code: refused.code, message: 'No.' } } },
    receipt: aReceipt,
  }
}
