import type { Received } from '../../src/call/call.ts'
import type { CallTrace } from '../../src/ports/observer.ts'

/** A trace that sees nothing. */
const blindTrace: CallTrace = {
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
