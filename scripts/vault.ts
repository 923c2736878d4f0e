import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/**
 * Builds a real Vault server into `.tools/vault`, for tests alone: Vault's own core, HTTP API, kv and approle, in memory, on
 * loopback. Needs Go and some minutes. The server ends with whoever started it.
 */
function main(): number {
  const source = fileURLToPath(new URL('vault-server/', import.meta.url))
  const target = fileURLToPath(new URL('../.tools/vault/', import.meta.url))
  if (existsSync(`${target}vault-server`)) return said(`${target}vault-server is there.`, 0)
  if (spawnSync('go', ['version']).status !== 0)
    return said('Go is not on the path; install it, or set VAULT_ADDR and VAULT_TOKEN to a server you have.', 2)
  mkdirSync(`${target}source`, { recursive: true })
  // A copy, because the build writes what it resolved beside the sources.
  for (const name of ['main.go', 'go.mod']) copyFileSync(`${source}${name}`, `${target}source/${name}`)
  said('building a Vault server; this takes some minutes the first time', 0)
  const { status } = spawnSync('go', ['build', '-p', '2', '-o', `${target}vault-server`, '.'], {
    cwd: `${target}source`,
    env: { ...process.env, GOFLAGS: '-mod=mod' },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 30 * 60_000,
  })
  return status === 0 ? said(`built ${target}vault-server`, 0) : said('The build failed.', 1)
}

function said(line: string, code: number): number {
  process.stderr.write(`${line}\n`)
  return code
}

process.exitCode = main()
