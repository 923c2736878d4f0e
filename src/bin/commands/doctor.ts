import process from 'node:process'
import type { Command } from 'commander'
import { systemClock } from '../../adapters/clock-system.ts'
import { doctor, type Check } from '../../apps/doctor.ts'
import { loadConfig } from '../../config/load.ts'
import { developmentConfig } from '../../demo/development.ts'
import { builtInTools } from '../../tools/built-in.ts'
import { clientSection, withClientFiles, type ClientFiles } from './admin-place.ts'

interface DoctorFlags extends ClientFiles {
  readonly config?: string
  readonly data: string
  readonly json?: boolean
}

/** Adds `doctor`. Exits 1 when anything is bad; what should only be looked at is no reason. */
export function doctorCommand(program: Command): void {
  const asked = program
    .command('doctor')
    .description('look at everything a gateway needs: configuration, keys, secrets, clocks, certificates, destinations')
    .option('--config <file>', 'sluicegate.yaml; without it, the development server')
    .option('--data <dir>', 'data directory', '.sluicegate')
  withClientFiles(asked).option('--json', 'one JSON object on the last line').action(examine)
}

async function examine({ config: file, data, json = false, ...files }: DoctorFlags): Promise<void> {
  const client = clientSection(files)
  const tools = builtInTools.map(({ definition }) => definition.name)
  const { permission } = process
  const checks = await doctor({
    loaded: file === undefined ? developmentConfig({ data }) : loadConfig(file, tools),
    ...(file !== undefined && { file }),
    data,
    environment: process.env,
    argv: [...process.execArgv, ...process.argv],
    nodeVersion: process.versions.node,
    ...(permission && { mayWrite: (directory: string) => permission.has('fs.write', directory) }),
    clock: systemClock(),
    ...(client && { client }),
    ...(process.stderr.isTTY && { progress: showProgress }),
  })
  const ok = checks.every(({ state }) => state !== 'bad')
  process.stdout.write(json ? `${JSON.stringify({ ok, checks })}\n` : `${checks.map(shown).join('\n')}\n`)
  if (!ok) process.exitCode = 1
}

function shown({ name, state, detail, fix }: Check): string {
  const line = `${state.padEnd(5)} ${name.padEnd(14)} ${detail}`
  return fix === undefined ? line : `${line}\n${' '.repeat(21)}-> ${fix}`
}

function showProgress(done: number, total: number): void {
  process.stderr.write(done < total ? `\rlooked at ${done} of ${total}` : '\r\u001b[K')
}
