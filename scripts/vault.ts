import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { buildVault } from './vault-build.ts'

/**
 * Builds a real Vault server into `.tools/vault`, for tests alone: Vault's own core, HTTP API, kv and approle, in memory, on
 * loopback. Needs Go and some minutes, and nothing while its sources are as they were. The server ends with whoever started it.
 * Ends with 2 where it cannot be built for want of Go or of a module proxy, and with 1 when building it fails.
 */
process.exitCode = buildVault({
  source: fileURLToPath(new URL('vault-server/', import.meta.url)),
  target: fileURLToPath(new URL('../.tools/vault/', import.meta.url)),
  environment: process.env,
  say: (line) => void process.stderr.write(`${line}\n`),
})
