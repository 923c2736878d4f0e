import { readdirSync, readFileSync } from 'node:fs'
import { openRules, type RuleSet } from '../src/detection/check.ts'
import { detector } from '../src/detection/fold.ts'
import { serveParent } from './child.ts'
import { eventsFrom } from './records.ts'

/** What the shipped rules judged. */
export interface Detected {
  readonly events: number
  readonly perS: number
}

/** Folds synthetic events through the shipped rules; only the fold is timed. */

/** Records that are made at a time, between the measurements. */
const chunkCount = 5_000

serveParent(detect(Number(process.argv[2])), () => undefined)

function detect(durationMs: number): Detected {
  const fold = detector({ rules: shippedRules(), stages: { default: 'shadow', rules: {} } })
  let first = 0
  const chunk = (): { readonly events: number; readonly tookMs: number } => {
    const events = eventsFrom(first, chunkCount)
    first += chunkCount
    const beganMs = performance.now()
    for (const event of events) fold.step(event)
    return { events: events.length, tookMs: performance.now() - beganMs }
  }
  chunk()
  let events = 0
  let tookMs = 0
  while (tookMs < durationMs) {
    const done = chunk()
    events += done.events
    tookMs += done.tookMs
  }
  return { events, perS: (events / tookMs) * 1000 }
}

function shippedRules(): RuleSet {
  const folder = new URL('../detections/', import.meta.url)
  const names = readdirSync(folder).filter((name) => name.endsWith('.yml'))
  const files = names.sort().map((name) => ({ file: name, text: readFileSync(new URL(name, folder), 'utf8') }))
  const { set, problems } = openRules(files)
  if (!set) throw new Error(`detections/ does not load: ${JSON.stringify(problems[0])}`)
  return set
}
