import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A promise that a count stands behind. Ordinary runs of its test try a part of the count. */
export interface Promised {
  /** `npm run test:full -- NAME`. */
  readonly name: string
  readonly promise: string
  readonly test: string
  /** The variable that sets the count in the test, and the full count. */
  readonly variable: string
  readonly full: number
  /** What the count is of. */
  readonly unit: string
  /** The files that keep the promise, as patterns. */
  readonly module: readonly string[]
}

export const promises: readonly Promised[] = [
  {
    name: 'evidence-kill',
    promise: 'Killed at any moment under load, the evidence log keeps every record it acknowledged',
    test: 'test/adversarial/evidence-kill.test.ts',
    variable: 'SLUICEGATE_KILLS',
    full: 500,
    unit: 'SIGKILLs, 0 records lost',
    module: ['src/evidence/*.ts', 'src/adapters/evidence-*.ts', 'src/adapters/files.ts'],
  },
  {
    name: 'gateway-kill',
    promise: 'Killed at any moment under load, the gateway loses no call it answered and does no write twice',
    test: 'test/adversarial/gateway-kill.test.ts',
    variable: 'SLUICEGATE_KILLS',
    full: 500,
    unit: 'SIGKILLs, 0 calls lost, 0 writes twice',
    module: [
      ...['commit', 'deduplicate', 'handle', 'pipeline', 'record', 'stages'].map((stage) => `src/call/${stage}.ts`),
      ...['batch', 'chain', 'dangling', 'recover'].map((part) => `src/evidence/${part}.ts`),
      'src/adapters/evidence-*.ts',
      'src/adapters/state-sqlite*.ts',
    ],
  },
  {
    name: 'evidence-faults',
    promise: 'Whatever the disk does, the evidence log keeps what it acknowledged and verifies after the next start',
    test: 'test/property/evidence-log.test.ts',
    variable: 'SLUICEGATE_RUNS',
    full: 1_000,
    unit: 'random histories of faults and restarts, 0 records lost',
    module: ['src/evidence/*.ts', 'src/adapters/evidence-*.ts', 'src/adapters/files.ts'],
  },
  {
    name: 'tamper',
    promise: 'Any flipped bit of a log is found and located, by both verifiers alike',
    test: 'test/tamper/every-byte.test.ts',
    variable: 'SLUICEGATE_BITS',
    full: 8,
    unit: 'bits of every byte, in both signing modes, 0 missed',
    module: ['src/evidence/*.ts', 'verifier/verify.mjs'],
  },
  {
    name: 'clock',
    promise: 'Whatever the clock does, no expired token passes and no replay opens again',
    test: 'test/adversarial/clock.test.ts',
    variable: 'SLUICEGATE_CLOCKS',
    full: 1_000,
    unit: 'histories of a disturbed clock, 0 broken',
    module: ['src/identity/{replay,steady,token,dpop}.ts', 'src/limits/bucket.ts', 'src/control/switches.ts'],
  },
  {
    name: 'token-replay',
    promise: 'A token shown again to any of three gateways on one state is refused',
    test: 'test/adversarial/token-replay.test.ts',
    variable: 'SLUICEGATE_REPLAYS',
    full: 10_000,
    unit: 'tokens in each mode, 0 replays accepted',
    module: ['src/identity/{replay,identify,proof,token,steady}.ts', 'src/adapters/state-sqlite*.ts'],
  },
  {
    name: 'certificates',
    promise: 'Certificates change under load without a failed handshake or call',
    test: 'test/adversarial/certificate-rotation.test.ts',
    variable: 'SLUICEGATE_ROTATIONS',
    full: 100,
    unit: 'rotations, 0 failed handshakes or calls',
    module: ['src/adapters/tls-*.ts', 'src/server/listener.ts'],
  },
  {
    name: 'slow-clients',
    promise: 'Slow clients are cut, and honest calls beside them succeed',
    test: 'test/adversarial/slow-clients.test.ts',
    variable: 'SLUICEGATE_SLOW_CLIENTS',
    full: 1_000,
    unit: 'slow clients, 0 left',
    module: ['src/server/{listener,slow-clients,backlog,connection-places,dials,early-answers}.ts'],
  },
  {
    name: 'noisy-tenant',
    promise: 'One tenant at fifty times its limit costs its neighbours no error',
    test: 'test/adversarial/noisy-tenant.test.ts',
    variable: 'SLUICEGATE_NOISE',
    full: 10_000,
    unit: 'calls of the noisy tenant, 0 errors of its neighbours',
    module: ['src/limits/*.ts', 'src/adapters/outgoing-gate.ts', 'src/adapters/service-*.ts'],
  },
  {
    name: 'drain',
    promise: 'Told to stop under load, the gateway loses no call that it accepted',
    test: 'test/adversarial/drain.test.ts',
    variable: 'SLUICEGATE_DRAINS',
    full: 50,
    unit: 'stops, 0 calls lost',
    module: ['src/server/{under-way,http,mcp-http,stdio}.ts', 'src/bin/commands/serve.ts', 'src/apps/serve.ts'],
  },
  {
    name: 'approval-kill',
    promise: 'Killed at any moment, an approval lets no call pass twice',
    test: 'test/adversarial/approval-kill.test.ts',
    variable: 'SLUICEGATE_KILLS',
    full: 500,
    unit: 'SIGKILLs, 0 approvals used twice',
    module: [
      'src/apps/grant-{call,decide,desk,drafts,open,rules,store,sweep,table}.ts',
      'src/adapters/state-sqlite*.ts',
      'src/adapters/sqlite-batch.ts',
    ],
  },
  {
    name: 'one-key',
    promise: 'One idempotency key, with kills between, changes the world at most once for each tenant',
    test: 'test/adversarial/one-key-many-calls.test.ts',
    variable: 'SLUICEGATE_SAME_KEY',
    full: 1_000,
    unit: 'calls with one key over 4 SIGKILLs, at most 1 effect for each tenant',
    module: [
      'src/call/{commit,deduplicate,handle,invoke}.ts',
      'src/adapters/state-sqlite*.ts',
      'src/adapters/sqlite-batch.ts',
    ],
  },
  {
    name: 'policy-reload',
    promise: 'While its configuration changes under load, exactly one version judges a call',
    test: 'test/adversarial/policy-reload.test.ts',
    variable: 'SLUICEGATE_RELOADS',
    full: 1_000,
    unit: 'reloads, 0 calls judged by two versions',
    module: [
      ...['runtime', 'change', 'reload', 'kept', 'gateway-service', 'entries'].map((part) => `src/apps/${part}.ts`),
      'src/config/{reload,restart}.ts',
      'src/adapters/rounds.ts',
    ],
  },
  {
    name: 'foreign-bytes',
    promise: 'Clients that use the same ids never see a foreign byte',
    test: 'test/adversarial/foreign-bytes.test.ts',
    variable: 'SLUICEGATE_CALLS',
    full: 1_000_000,
    unit: 'interleaved calls of 200 clients, 0 foreign bytes',
    module: ['src/server/{mcp*,hand-over,protocol-request,deliver,sessions,stdio,lines,gathered}.ts'],
  },
]

const root = fileURLToPath(new URL('..', import.meta.url))

/** SHA-256 over the names and bytes of the files that keep the promise, 16 hex digits of it. Throws when a pattern finds none. */
export function digestOf({ module }: Promised): string {
  const hash = createHash('sha256')
  for (const file of module.flatMap(filesOf).sort()) {
    const bytes = readFileSync(`${root}/${file}`)
    hash.update(`${file} ${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex').slice(0, 16)
}

function filesOf(pattern: string): readonly string[] {
  const files = globSync(pattern, { cwd: root }).map((file) => file.replaceAll('\\', '/'))
  if (files.length === 0) throw new Error(`There is no file ${pattern}: say in scripts/promises.ts where it went.`)
  return files
}

export const tableFile = `${root}/docs/promises.md`

/** The row of the table in docs/promises.md. */
export function rowOf(promised: Promised, digest: string): string {
  const { name, promise, full, unit } = promised
  return `| ${promise} | ${full.toLocaleString('en')} ${unit} | \`npm run test:full -- ${name}\` | \`${digest}\` |`
}

/** The row as it stands in a text; undefined when there is none. */
export function rowIn(text: string, { name }: Promised): string | undefined {
  return text.split('\n').find((line) => line.includes(`\`npm run test:full -- ${name}\``))
}
