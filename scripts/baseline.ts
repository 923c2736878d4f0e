import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/adapters/clock-system.ts'
import { openKeys } from '../src/adapters/keys-file.ts'
import { openedRules } from '../src/bin/commands/rules-files.ts'
import { simulateBaseline } from '../src/demo/baseline.ts'
import { signSnapshot } from '../src/detection/snapshot.ts'

/*
 * Simulates weeks of honest work, lets the product's own fold watch it, and writes what the fold learned, signed with the
 * deployment key of a data directory:
 *
 *   node scripts/baseline.ts --data .sluicegate [--rules detections] [--out .sluicegate/detector/baseline.json] [--end 2026-11-20T12:00:00Z]
 */
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.sluicegate' },
    rules: { type: 'string', default: join(import.meta.dirname, '..', 'detections') },
    out: { type: 'string' },
    end: { type: 'string' },
  },
})
const clock = systemClock()
const out = resolve(values.out ?? join(values.data, 'detector', 'baseline.json'))
const endMs = values.end === undefined ? clock.nowMs() : Date.parse(values.end)
const opened = openedRules([values.rules], false)

if (Number.isNaN(endMs)) {
  process.stderr.write(`--end ${values.end} is no time; write it as 2026-11-20T12:00:00Z.\n`)
  process.exitCode = 3
} else if (opened) {
  const { snapshot, sessions, days, events, alerts } = simulateBaseline({ rules: opened.set, endMs })
  const { deployment } = await openKeys(join(values.data, 'keys'), clock)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(`${out}.new`, `${JSON.stringify(await signSnapshot(snapshot, deployment))}\n`, { mode: 0o600 })
  renameSync(`${out}.new`, out)
  process.stdout.write(
    `${JSON.stringify({ out, sessions, days, events, alerts, rules: opened.set.digest, signedBy: deployment.kid })}\n`,
  )
}
