import type { Command } from 'commander'
import { loadConfig, type LoadedConfig } from '../../config/load.ts'
import type { Problem } from '../../policy/document.ts'
import { builtInTools } from '../../tools/built-in.ts'

interface CheckOptions {
  readonly json?: boolean
}

/** Adds `config check`. Exits 3 when anything is wrong, with every problem and its place. */
export function configCommand(program: Command): void {
  program
    .command('config')
    .description('look at configuration')
    .command('check')
    .description('report every problem of a configuration file, and of the files it names')
    .argument('<file>', 'sluicegate.yaml')
    .option('--json', 'one JSON object on the last line')
    .action((file: string, options: CheckOptions) => {
      const loaded = loadConfig(
        file,
        builtInTools.map(({ definition }) => definition.name),
      )
      process.stdout.write(options.json === true ? `${JSON.stringify(reportOf(loaded))}\n` : textOf(file, loaded))
      for (const problem of options.json === true ? [] : loaded.problems) process.stderr.write(`${lineOf(problem)}\n`)
      if (loaded.problems.length > 0) process.exitCode = 3
    })
}

function reportOf({ problems, warnings, digest }: LoadedConfig) {
  return { ok: problems.length === 0, problems, warnings, ...(problems.length === 0 && { digest }) }
}

function textOf(file: string, { problems, warnings, digest, principals, policies }: LoadedConfig): string {
  const notes = warnings.map((warning) => `${lineOf(warning)} (warning)\n`).join('')
  if (problems.length > 0) return notes
  const counts = `${principals.length} principals, ${policies.sources.length} policy files`
  return `${notes}${file} is fine: ${counts}, digest ${digest.slice(0, 16)}\n`
}

const lineOf = ({ file, line, message }: Problem): string => `${file}:${line}: ${message}`
