import { readFile } from 'node:fs/promises'
import { InvalidArgumentError, type Command } from 'commander'
import { parse } from 'yaml'
import { systemClock } from '../../adapters/clock-system.ts'
import { nodeFiles } from '../../adapters/files.ts'
import { openIssuerKey } from '../../adapters/issuer-key-file.ts'
import { defaultAudience, developmentIssuer } from '../../identity/issuer.ts'
import { defaultTtlSecMax } from '../../identity/token.ts'
import { isJsonObject } from '../../ports/json.ts'

interface Options {
  readonly sub: string
  readonly tenant: string
  readonly grant: readonly string[]
  readonly ttl?: number
  readonly region?: string
  readonly sid?: string
  readonly data: string
  readonly config?: string
}

/** `token`: issues a development token. Refused in production. */
export function tokenCommand(program: Command): void {
  program
    .command('token')
    .description('issue a development token; it stands alone on the last line of stdout')
    .requiredOption('--sub <name>', 'who calls, e.g. agent:copilot')
    .requiredOption('--tenant <name>', 'whose data, e.g. acme')
    .requiredOption('--grant <scope...>', 'a scope, e.g. flags.write:staging; repeat it for more')
    .option('--ttl <seconds>', 'how long it lives; as long as the gateway takes it unless given', wholeSeconds)
    .option('--region <name>', "region of the data, when it is not the tenant's home")
    .option('--sid <name>', 'a session of its own: a switch on another session of this caller does not stop it')
    .option('--data <directory>', 'data directory; its key is made when there is none', '.sluicegate')
    .option('--config <file>', 'configuration of the gateway that is to accept the token')
    .action(issue)
}

async function issue(options: Options): Promise<void> {
  const { mode, audience, maxTtlSeconds } = await gatewayOf(options.config)
  // Before the key is made: in production nothing of this kind is left lying about.
  if (mode === 'production')
    throw new Error(
      'Development tokens do not exist in production. Get a token from the issuer that auth.issuers names.',
    )
  const key = await openIssuerKey(nodeFiles(), options.data)
  const issuer = developmentIssuer({ key, clock: systemClock(), mode, audience, maxTtlSeconds })
  process.stdout.write(`${issuer.issue(requestOf(options, maxTtlSeconds))}\n`)
}

function requestOf({ sub, tenant, grant, ttl, region, sid }: Options, maxTtlSeconds: number) {
  const scopes = grant.flatMap((scope) => scope.split(/[ ,]/)).filter((scope) => scope !== '')
  return {
    sub,
    tenant,
    scopes,
    ttlSec: ttl ?? maxTtlSeconds,
    ...(region !== undefined && { region }),
    ...(sid !== undefined && { sid }),
  }
}

interface Accepts {
  readonly mode: 'development' | 'production'
  readonly audience: string
  readonly maxTtlSeconds: number
}

/** What the token must fit. Only these values are read here; `config check` judges the file. */
async function gatewayOf(file: string | undefined): Promise<Accepts> {
  const config: unknown = file === undefined ? {} : parse(await readFile(file, 'utf8'))
  if (!isJsonObject(config)) throw new Error(`${file} is no configuration: a YAML mapping is expected.`)
  const auth = config['auth']
  const { audience, maxTtlSeconds: ttlMax } = isJsonObject(auth) ? auth : {}
  const production =
    (file !== undefined && config['mode'] !== 'development') || process.env['NODE_ENV'] === 'production'
  return {
    mode: production ? 'production' : 'development',
    audience: typeof audience === 'string' ? audience : defaultAudience,
    maxTtlSeconds: typeof ttlMax === 'number' ? Math.min(ttlMax, defaultTtlSecMax) : defaultTtlSecMax,
  }
}

function wholeSeconds(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('Give whole seconds, e.g. 600.')
  return Number(text)
}
