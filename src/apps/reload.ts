import type { LoadedConfig } from '../config/load.ts'
import { watchFiles } from '../config/reload.ts'
import { restartNeeded, type Version } from '../config/restart.ts'
import type { Config } from '../config/schema.ts'
import { placed } from '../policy/document.ts'
import type { Changes } from './change.ts'
import { ConfigError } from './config-error.ts'
import { gatewayOptions } from './from-config.ts'
import type { Surroundings } from './surroundings.ts'
import type { Kept } from './kept.ts'
import type { GatewayOptions } from './options.ts'

/** What became of one attempt to reload. */
export type Reloaded =
  | { readonly kind: 'loaded' | 'unchanged'; readonly digest: string }
  | { readonly kind: 'refused'; readonly digest: string; readonly problems: readonly string[] }

/** Which configuration is in force, and what is wrong with the one that is not. */
export interface ConfigState {
  readonly digest: string
  readonly policyDigest: string
  /** Milliseconds since the epoch. */
  readonly loadedMs: number
  /** The last attempt, when it was refused. */
  readonly refused?: { readonly digest: string; readonly problems: readonly string[]; readonly atMs: number }
}

export interface Reloads {
  state(): ConfigState
  /** Reads everything again and puts all of it in force, or nothing. Attempts run one after the other; those that wait share one. */
  reload(): Promise<Reloaded>
  /** Watches no more, and waits for the attempt that is under way. None begins from here on: those that are asked for are refused. */
  close(): Promise<void>
}

export interface ReloadsParts {
  readonly changes: Changes
  /** What was loaded at start. */
  readonly loaded: LoadedConfig
  /** Reads the configuration again. */
  readonly reread: () => LoadedConfig
  /** Fills in what only this process knows. */
  readonly complete: (config: Config) => Config
  readonly around: Surroundings
  readonly kept: Kept
  readonly nowMs: () => number
  readonly fault: (error: unknown) => void
  /** How often files are looked at. A change takes effect after two looks. */
  readonly everyMs?: number
}

/** Half of what an operator would notice: two looks and a load fit into one second. */
const lookEveryMs = 400

/** Reloads the configuration when its files change and whenever it is asked to. All or nothing: on any problem the old stays. */
export function reloads(parts: ReloadsParts): Reloads {
  const { changes, nowMs, fault } = parts
  let inForce = parts.loaded
  let places = inForce.places
  let loadedMs = nowMs()
  let refused: ConfigState['refused']
  let onRecord = true
  let running: Promise<unknown> = Promise.resolve()
  let waiting: Promise<Reloaded> | undefined
  let asked = false
  let closed = false

  async function attempt(wasAsked: boolean): Promise<Reloaded> {
    // The files may be put back before anybody looks: then they stand as they were last told, and are not what is in force.
    if (wasAsked) watching.forget()
    const loaded = parts.reread()
    places = [...new Set([...loaded.places, ...inForce.places])]
    const round = parts.kept.round()
    try {
      const options = await resolved(parts, inForce, loaded, round.keep)
      const same = isSame(options, changes.now())
      if (!same) await changes.change(options)
      else if (wasAsked || refused) changes.unchanged()
      round.commit()
      if (!same) loadedMs = nowMs()
      inForce = loaded
      ;[places, refused] = [loaded.places, undefined]
      return { kind: same ? 'unchanged' : 'loaded', digest: loaded.digest }
    } catch (error) {
      round.abandon()
      return refuse(loaded.digest, problemsOf(error), wasAsked)
    }
  }

  async function refuse(digest: string, problems: readonly string[], wasAsked: boolean): Promise<Reloaded> {
    const again = refused?.digest === digest && refused.problems.join() === problems.join()
    refused = { digest, problems, atMs: nowMs() }
    // Who asks is answered each time; that a file is still as wrong as it was is no news, unless the evidence has yet to hear it.
    if (wasAsked || !again) onRecord = await changes.refused({ digest, problems })
    else if (!onRecord) onRecord = await changes.record({ digest, problems })
    return { kind: 'refused', digest, problems }
  }

  function begin(): Promise<Reloaded> {
    const wasAsked = asked
    ;[waiting, asked] = [undefined, false]
    if (closed) return Promise.resolve({ kind: 'refused', digest: changes.now().configDigest, problems: [stopping] })
    const attempted = attempt(wasAsked)
    running = attempted.catch(fault)
    return attempted
  }

  const enqueue = (): Promise<Reloaded> => (waiting ??= running.then(begin))
  const everyMs = parts.everyMs ?? lookEveryMs
  const watching = watchFiles({
    places: () => places,
    everyMs,
    changed: async () => void (await enqueue()),
    // What is wrong may be mended where nobody looks: a service that is away, a secret that is not there yet.
    owed: () => refused !== undefined,
    fault,
  })
  return {
    state: () => ({
      digest: changes.now().configDigest,
      policyDigest: changes.now().policy.digest,
      loadedMs,
      ...(refused && { refused }),
    }),
    reload() {
      asked = true
      return enqueue()
    },
    async close() {
      closed = true
      await watching.close()
      await running
    },
  }
}

const stopping = 'The gateway is stopping: start it again to apply the change.'

async function resolved(
  { complete, around }: ReloadsParts,
  inForce: LoadedConfig,
  loaded: LoadedConfig,
  keep: NonNullable<Surroundings['keep']>,
): Promise<GatewayOptions> {
  if (!isWhole(loaded) || !isWhole(inForce)) throw new ConfigError(loaded.problems.map(placed))
  const fixed = restartNeeded(inForce, loaded)
  if (fixed.length > 0) throw new ConfigError(fixed)
  return gatewayOptions({ ...loaded, config: complete(loaded.config) }, { ...around, keep })
}

const isWhole = (loaded: LoadedConfig): loaded is LoadedConfig & Version => loaded.config !== undefined

/** The same text of every file: nothing to put in force, and nothing to write down. */
function isSame(one: GatewayOptions, other: GatewayOptions): boolean {
  return one.configDigest === other.configDigest && one.detector.rules.digest === other.detector.rules.digest
}

function problemsOf(error: unknown): readonly string[] {
  return (error instanceof Error ? error.message : String(error)).split('\n')
}
