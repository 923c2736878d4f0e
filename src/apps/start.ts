import { mkdir } from 'node:fs/promises'
import { systemClock } from '../adapters/clock-system.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { placed } from '../policy/document.ts'
import { refuseProxy } from './exposure.ts'
import { ConfigError } from './config-error.ts'
import { gatewayOptions } from './from-config.ts'
import type { Surroundings } from './surroundings.ts'
import { openGateway, type Gateway } from './gateway.ts'
import { kept as keeping } from './kept.ts'
import type { GatewayOptions } from './options.ts'
import { reloads, type Reloads } from './reload.ts'

export interface StartParts extends Surroundings {
  readonly loaded: LoadedConfig
  /** Reads the configuration again. Absent where there is no file: then nothing is reloaded. */
  readonly reread?: () => LoadedConfig
  /** Fills in what only this process knows, e.g. where services are that it started itself. */
  readonly complete: (config: Config) => Config
}

/** A gateway as a configuration file describes it, which follows the file. */
export interface Configured {
  readonly config: Config
  readonly options: GatewayOptions
  readonly gateway: Gateway
  /** Absent where there is no file to read again. */
  readonly reloads?: Reloads
  close(): Promise<void>
}

/** Opens a gateway as configured. Throws a `ConfigError` with every problem. */
export async function startConfigured(parts: StartParts): Promise<Configured> {
  const { loaded, reread, complete, report } = parts
  if (!loaded.config) throw new ConfigError(loaded.problems.map(placed))
  refuseProxy(loaded.config.mode, parts)
  await using held = new AsyncDisposableStack()
  await mkdir(parts.data, { recursive: true, mode: 0o700 })
  const kept = held.adopt(keeping(), (things) => things.close())
  const config = complete(loaded.config)
  const round = kept.round()
  const options = await gatewayOptions({ ...loaded, config }, { ...parts, keep: round.keep }).catch(
    (error: unknown) => {
      round.abandon()
      throw error
    },
  )
  round.commit()
  const gateway = held.adopt(await openGateway(options), (open) => open.close())
  const clock = systemClock()
  const fault = (error: unknown) => report({ level: 'error', fault: String(error) })
  const following = reread && {
    changes: gateway.changes,
    loaded,
    reread,
    complete,
    around: parts,
    kept,
    nowMs: clock.nowMs,
    fault,
  }
  const reloading = following && held.adopt(reloads(following), (one) => one.close())
  const open = held.move()
  return { config, options, gateway, ...(reloading && { reloads: reloading }), close: () => open.disposeAsync() }
}
