import { randomUUID } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Gateway } from '../../apps/gateway.ts'
import type { Reloads } from '../../apps/reload.ts'
import type { Started } from '../../demo/development.ts'
import type { JsonObject } from '../../ports/json.ts'

interface ServeOptions {
  readonly config?: string
  readonly data?: string
  readonly stdio?: true
  readonly tokenFile?: string
}

export function serveCommand(program: Command): void {
  program
    .command('serve')
    .description('the gateway; without --config a development server with the bundled service API on loopback')
    .option('--config <file>', 'sluicegate.yaml')
    .option('--data <dir>', 'data directory (default: .sluicegate, with --stdio the user state folder)')
    .option('--stdio', 'serve MCP on standard input and output; stdout carries protocol only')
    .option('--token-file <file>', 'access token of the stdio client')
    .action(serve)
}

async function serve(asked: ServeOptions): Promise<void> {
  const output = asked.stdio ? protocolOnly() : process.stdout
  const stopped = stopSignal()
  const hangUp = reloadSignal()
  const data = asked.data ?? (asked.stdio ? stateFolder() : '.sluicegate')
  const { start } = await import('../../demo/development.ts')
  const started = await start({
    data,
    environment: process.env,
    argv: [...process.execArgv, ...process.argv],
    report: say,
    ...(asked.config !== undefined && { file: asked.config }),
  })
  hangUp.tell(started.reloads)
  try {
    await readOnly(started.gateway, process.env['MCP_READ_ONLY'] === '1')
    await (asked.stdio ? stdio(started, asked, output, stopped) : http(started, data, stopped))
  } finally {
    await started.close()
  }
}

async function http(
  { gateway, options, config, reloads }: Started,
  data: string,
  stopped: Promise<void>,
): Promise<void> {
  const { listen } = await import('../../apps/serve.ts')
  const addresses = await listen({
    gateway,
    options,
    listen: config.listen,
    admin: config.admin,
    ...(reloads && { reloads }),
  })
  say({ ready: true, mcp: addresses.mcp, admin: addresses.admin, data })
  await stopped
  await addresses.close()
}

async function stdio(
  { gateway, options }: Started,
  { tokenFile }: ServeOptions,
  output: NodeJS.WriteStream,
  stopped: Promise<void>,
): Promise<void> {
  const { listenStdio } = await import('../../server/stdio.ts')
  const processId = randomUUID()
  const fault = (error: unknown) => options.report({ level: 'error', fault: String(error) })
  const token = tokenFile && (await tokenIn(tokenFile, options.mode, fault))
  const listener = await listenStdio({
    service: gateway.service,
    shows: () => (token ? { kind: 'bearer', token: token.current(), processId } : { kind: 'process', processId }),
    input: process.stdin,
    output,
    fault,
  })
  const why = await Promise.race([listener.ended, stopped])
  await listener.close()
  if (why === undefined) return
  say({ level: 'error', fault: `${why} The connection was ended.` })
  process.exitCode = 1
}

/** The client's token, read again when its file changes. */
async function tokenIn(path: string, mode: 'development' | 'production', fault: (error: unknown) => void) {
  const { fileSecret } = await import('../../adapters/secrets-file.ts')
  const { systemClock } = await import('../../adapters/clock-system.ts')
  return fileSecret({ name: '--token-file', path, ownerOnly: mode === 'production', clock: systemClock(), fault })
}

/** From here on whatever writes to standard output by mistake writes to standard error; the protocol keeps the real stream. */
function protocolOnly(): NodeJS.WriteStream {
  const real = process.stdout
  Object.defineProperty(process, 'stdout', { value: process.stderr })
  for (const name of ['log', 'info', 'debug', 'dir', 'table'] as const)
    // oxlint-disable-next-line no-console
    console[name] = (...args: unknown[]) => console.error(...args)
  return real
}

function stateFolder(): string {
  const base = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state')
  return join(base, 'sluicegate')
}

const readOnlyId = 'environment-read-only'
const readOnlyMs = 90 * 24 * 3_600_000

/**
 * `MCP_READ_ONLY=1`: nothing may be changed while the gateway is started with it, and everything again once it is started
 * without. One switch, renewed at a start that finds less than half of its time left.
 */
export async function readOnly({ switches }: Pick<Gateway, 'switches'>, asked: boolean): Promise<void> {
  const environment = { kind: 'operator', name: 'environment' } as const
  const engaged = switches.list().find(({ id }) => id === readOnlyId)
  if (engaged && (!asked || engaged.remainingMs < readOnlyMs / 2))
    await switches.release(readOnlyId, asked ? 'renewed' : 'started without MCP_READ_ONLY=1', environment)
  if (asked)
    await switches.engage(
      { kind: 'read-only', target: 'all', reason: 'started with MCP_READ_ONLY=1', ttlMs: readOnlyMs },
      environment,
      readOnlyId,
    )
}

/** Longest that a stop may take, milliseconds: a container is killed after ten seconds. */
const stopMaxMs = 9_500

/** The first SIGTERM or SIGINT stops in order; a second one, and a stop that takes too long, end the process as it stands. */
function stopSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let stopping = false
  const stop = (): void => {
    if (stopping) process.exit(130)
    stopping = true
    setTimeout(() => {
      say({ level: 'error', fault: `The stop took more than ${stopMaxMs} ms; ending as it stands. The log is intact.` })
      process.exit(1)
    }, stopMaxMs).unref()
    resolve()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
  return promise
}

const nothingToReload = 'There is no configuration file, so there is nothing to reload. Start with --config.'

/** SIGHUP reads the configuration again. One that comes while the gateway starts is answered once it has. */
function reloadSignal(): { tell(reloads: Reloads | undefined): void } {
  const started = Promise.withResolvers<Reloads | undefined>()
  const again = async (): Promise<void> => {
    const reloads = await started.promise
    if (reloads) await reloads.reload()
    else say({ level: 'warn', config: 'unchanged', message: nothingToReload })
  }
  process.on('SIGHUP', () => void again().catch((error: unknown) => say({ level: 'error', fault: String(error) })))
  return { tell: started.resolve }
}

function say(line: JsonObject): void {
  process.stderr.write(`${JSON.stringify(line)}\n`)
}
