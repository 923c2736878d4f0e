import { expect, it } from 'vitest'
import { openTestGateway } from '../../support/gateway.ts'
import {readdirSync, readFileSync} from 'node:fs'
import { EvidenceRecord } from '../../../src/evidence/record.ts'
it('x', async () => {
  const gate = await openTestGateway({over: {alerts: {sinks: []}}})
  const ends: Record<string, number> = {}
  console.log((await gate.call('orders.export', { from: '2025-09-01', to: '2025-09-02' })).ended)
  for (let i = 0; i < 100; i++) { const s = await gate.call('orders.export', { from: '2025-09-01', to: '2025-09-02', tenant: String(i) }); ends[s.ended] = (ends[s.ended] ?? 0) + 1; if (i===29) console.log(s.settled) }
  console.log(ends)
  console.log((await gate.records()).length)
  for (const f of readdirSync(gate.data + '/streams/gateway', {recursive:true}) as string[]) if (f.endsWith('.log')) { const l = readFileSync(gate.data+'/streams/gateway/'+f,'utf8').split('\n'); console.log(f, l.length); for (const x of l) if (x.startsWith('{')) { const p = EvidenceRecord.safeParse(JSON.parse(x.split('\t')[0]!)); if (!p.success) { console.log(p.error.issues, x); break}} }
  await gate.close()
  expect(1).toBe(1)
})
