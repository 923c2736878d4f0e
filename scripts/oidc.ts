import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, delimiter } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** A certified OpenID provider, pinned: what it writes into tokens must mean the same tomorrow. */
const provider = { name: 'oidc-provider', version: '9.13.3' }

/** Fetches it with npm into `.tools/oidc`, for tests alone: no part of the project depends on it. */
function main(): number {
  const target = fileURLToPath(new URL('../.tools/oidc/', import.meta.url))
  const entry = `${target}node_modules/${provider.name}/lib/index.js`
  if (existsSync(entry)) return said(`${entry} is there.`, 0)
  mkdirSync(target, { recursive: true })
  writeFileSync(`${target}package.json`, `${JSON.stringify({ private: true })}\n`)
  const { status } = spawnSync(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', `${provider.name}@${provider.version}`],
    {
      cwd: target,
      env: { ...process.env, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) },
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: 5 * 60_000,
    },
  )
  if (status === 0 && existsSync(entry)) return said(`fetched ${entry}`, 0)
  return said(`npm could not fetch ${provider.name}@${provider.version}.`, 2)
}

function said(line: string, code: number): number {
  process.stderr.write(`${line}\n`)
  return code
}

process.exitCode = main()
