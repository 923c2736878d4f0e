import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface VaultBuild {
  /** Folder of the sources. */
  readonly source: string
  /** Folder to build into: `vault-server`, and beside it what it was built from. */
  readonly target: string
  readonly environment: NodeJS.ProcessEnv
  readonly say: (line: string) => void
}

/** What came of a build: the exit code of `scripts/vault.ts`. `absent` means that this machine cannot build, for no fault of the sources. */
export const built = { there: 0, failed: 1, absent: 2 } as const

const inputs = ['main.go', 'go.mod'] as const

/** A module of the build that is quickly fetched: whether it can be had says whether any can. */
const smallModule = 'github.com/hashicorp/go-hclog@v1.6.3'

const longestMs = 30 * 60_000

/**
 * Builds the server from its sources, unless what is there was built from these very ones. What was built from others is removed
 * first: no test may run on it. `absent` only where there is no Go, or no module can be fetched.
 */
export function buildVault(build: VaultBuild): number {
  const { target, say } = build
  const server = join(target, 'vault-server')
  const mark = join(target, 'built-from.sha256')
  const digest = digestOf(build)
  if (existsSync(server) && existsSync(mark) && readFileSync(mark, 'utf8') === digest) return ended(`${server} is there.`, built.there) // prettier-ignore
  for (const old of [mark, server]) rmSync(old, { force: true })
  if (!go(build, ['version'], 'quiet')) return ended('Go is not on the path; install it, or set VAULT_ADDR and VAULT_TOKEN to a server you have.', built.absent) // prettier-ignore
  copySources(build)
  say('building a Vault server; this takes some minutes the first time')
  if (!go(build, ['list', '-deps', '.'], 'errors')) {
    return canFetch(build)
      ? ended('The sources do not agree with their modules.', built.failed)
      : ended('The modules of Vault cannot be fetched: no module proxy can be reached.', built.absent)
  }
  const fresh = `${server}.new`
  if (!go(build, ['build', '-p', '2', '-o', fresh, '.'], 'errors')) return ended('The build failed.', built.failed)
  renameSync(fresh, server)
  writeFileSync(mark, digest)
  return ended(`built ${server}`, built.there)

  function ended(line: string, code: number): number {
    say(line)
    return code
  }
}

function digestOf({ source }: VaultBuild): string {
  const hash = createHash('sha256')
  for (const name of inputs) {
    const bytes = readFileSync(join(source, name))
    hash.update(`${name} ${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex')
}

/** A copy, because the build writes what it resolved beside the sources; nothing of an earlier one may count. */
function copySources({ source, target }: VaultBuild): void {
  const copy = join(target, 'source')
  rmSync(copy, { recursive: true, force: true })
  mkdirSync(copy, { recursive: true })
  for (const name of inputs) copyFileSync(join(source, name), join(copy, name))
}

/** Asks for one small module with nothing to fall back on, so that no cache answers. */
function canFetch(build: VaultBuild): boolean {
  const empty = mkdtempSync(join(tmpdir(), 'sluicegate-modules-'))
  const environment = { ...build.environment, GOMODCACHE: empty }
  try {
    return go({ ...build, environment }, ['mod', 'download', '-modcacherw', smallModule], 'quiet')
  } finally {
    rmSync(empty, { recursive: true, force: true })
  }
}

function go({ target, environment }: VaultBuild, args: readonly string[], output: 'quiet' | 'errors'): boolean {
  const folder = join(target, 'source')
  const { status } = spawnSync('go', args, {
    ...(existsSync(folder) && { cwd: folder }),
    env: { ...environment, GOFLAGS: '-mod=mod' },
    stdio: ['ignore', 'ignore', output === 'quiet' ? 'ignore' : 'inherit'],
    timeout: longestMs,
  })
  return status === 0
}
