import { placed, type Problem } from '../policy/document.ts'
import type { Demand } from './baseline.ts'
import type { Config } from './schema.ts'

/** Sections that take effect when they change. Any other section is read once, at start. */
const live: ReadonlySet<string> = new Set<keyof Config>([
  'auth',
  'principals',
  'policies',
  'tools',
  'services',
  'egress',
  'limits',
  'tickets',
  'detector',
  'alerts',
  'baseline',
])

/** Parts of those sections that are read once all the same. */
const fixedWithin: readonly (readonly [section: string, key: string, why: string])[] = [
  ['detector', 'mode', 'it says where the detector runs'],
  ['detector', 'baseline', 'what was learned since would be lost'],
  ['auth', 'mtls', 'it belongs to the listener'],
]

/** One version of the configuration: what the file itself says, what a baseline asks for, and what came of both. */
export interface Version {
  readonly config: Config
  readonly own: Config
  readonly demands: readonly Demand[]
}

/** What would have to change that cannot while the gateway runs: one sentence each, beginning with its place. */
export function restartNeeded(inForce: Version, next: Version): readonly string[] {
  const { config: before } = inForce
  const { config: after } = next
  const within = fixedWithin.filter(([section, key]) => differs(part(before, section), part(after, section), key))
  const bundled = (before.services === 'builtin') !== (after.services === 'builtin')
  return [
    ...fixedSections(before, after).flatMap((section) => whoChanged(section, inForce, next)),
    ...within.map(([section, key, why]) => `${section}.${key}: This is read once, at start (${why}): restart to apply the change.`), // prettier-ignore
    ...(bundled
      ? ['services: The bundled service API comes and goes with the process: restart to apply the change.']
      : []),
  ]
}

/** Sections read once that are not what they were. */
function fixedSections(before: Config, after: Config): readonly string[] {
  const sections = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return sections.filter((name) => !live.has(name) && differs(before, after, name))
}

/** The section itself, or what a baseline asks of it: nobody finds the line in a section that nobody touched. */
function whoChanged(section: string, inForce: Version, next: Version): readonly string[] {
  const asked = differs(inForce.own, next.own, section) ? [] : changedDemands(section, inForce, next)
  if (asked.length === 0) return [`${section}: This section is read once, at start: restart to apply the change.`]
  return asked.map(placed)
}

function changedDemands(section: string, { demands: before }: Version, { demands }: Version): readonly Problem[] {
  const changed = demands.filter(
    ({ of, value }, index) => of.includes(section as keyof Config) && value !== before[index]?.value,
  )
  return changed.map(({ at }) => ({ ...at, message: `It counts for '${section}', which is read once, at start: restart to apply the change.` })) // prettier-ignore
}

function part(config: object, name: string): object {
  return (config as Readonly<Record<string, object | undefined>>)[name] ?? {}
}

function differs(one: object, other: object, name: string): boolean {
  const text = (of: object) => JSON.stringify((of as Readonly<Record<string, unknown>>)[name])
  return text(one) !== text(other)
}
