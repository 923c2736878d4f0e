import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
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

/** What would have to change that cannot while the gateway runs: one sentence each, beginning with its path. */
export function restartNeeded(inForce: Config, next: Config): readonly string[] {
  const sections = [...new Set([...Object.keys(inForce), ...Object.keys(next)])]
  const changed = sections.filter((name) => !live.has(name) && differs(inForce, next, name))
  const within = fixedWithin.filter(([section, key]) => differs(part(inForce, section), part(next, section), key))
  const bundled = (inForce.services === 'builtin') !== (next.services === 'builtin')
  return [
    ...changed.map((name) => `${name}: This section is read once, at start: restart to apply the change.`),
    ...within.map(([section, key, why]) => `${section}.${key}: This is read once, at start (${why}): restart to apply the change.`), // prettier-ignore
    ...(bundled
      ? ['services: The bundled service API comes and goes with the process: restart to apply the change.']
      : []),
  ]
}

function part(config: object, name: string): object {
  return (config as Readonly<Record<string, object | undefined>>)[name] ?? {}
}

function differs(one: object, other: object, name: string): boolean {
  const text = (of: object) => JSON.stringify((of as Readonly<Record<string, unknown>>)[name])
  return text(one) !== text(other)
}

export interface WatchOptions {
  /** Files and directories to look at, asked for before every look. */
  readonly places: () => readonly string[]
  readonly everyMs: number
  /** Called when what stands there is new and has stood for two looks. Awaited before the next look. */
  readonly changed: () => Promise<void>
  readonly fault: (error: unknown) => void
}

export interface Watching {
  /** What was told is no longer what counts, because somebody else has read the files: what stands there is news again. */
  forget(): void
  close(): Promise<void>
}

/**
 * Looks at files until it is closed. Bytes count, not times: a file that is touched is no news, and one that is being
 * written is none until it holds still. What stands there at the first look is news too, once.
 */
export function watchFiles({ places, everyMs, changed, fault }: WatchOptions): Watching {
  const closing = new AbortController()
  let before: string | undefined
  let told: string | undefined

  async function look(): Promise<void> {
    const seen = await contentDigest(places())
    const still = seen === before
    before = seen
    if (!still || seen === told || closing.signal.aborted) return
    told = seen
    await changed()
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      await look().catch(fault)
      await pause(everyMs, closing.signal)
    }
  }

  const running = run()
  return {
    forget() {
      told = undefined
    },
    async close() {
      closing.abort()
      await running
    },
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(resolve, ms)
    timer.unref()
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}

/** SHA-256 over the names and bytes of these files, and of the YAML files in these directories; what cannot be read counts as such. */
async function contentDigest(places: readonly string[]): Promise<string> {
  const digest = createHash('sha256')
  for (const place of places)
    for (const file of await filesAt(place)) {
      const bytes = await readFile(file).catch(() => undefined)
      digest.update(`${JSON.stringify(file)} ${bytes?.byteLength ?? 'unreadable'}\n`).update(bytes ?? '')
    }
  return digest.digest('hex')
}

async function filesAt(place: string): Promise<readonly string[]> {
  try {
    if (!(await stat(place)).isDirectory()) return [place]
    const names = (await readdir(place)).filter((name) => /\.ya?ml$/.test(name))
    return names.sort().map((name) => path.join(place, name))
  } catch {
    return [place]
  }
}
