import type { Command } from 'commander'
import { systemClock } from '../../adapters/clock-system.ts'
import { judgedCertificates } from '../../apps/doctor/certificates.ts'
import { detectionProblems, policyProblems } from '../../apps/configured-rules.ts'
import { loadConfig, type LoadedConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { problemAt, readSource } from '../../config/source.ts'
import { placedDocument, type Problem } from '../../policy/document.ts'
import { builtInTools } from '../../tools/built-in.ts'
import { withPlace } from './admin-place.ts'
import { reloadConfig } from './config-reload.ts'

interface CheckOptions {
  readonly json?: boolean
}

/** Adds `config check` and `config reload`. Both exit 3 when anything is wrong, with every problem and its place. */
export function configCommand(program: Command): void {
  const group = program.command('config').description('look at configuration, and put a changed one in force')
  withPlace(group.command('reload').description('have the running gateway read its configuration again')).action(
    reloadConfig,
  )
  group
    .command('check')
    .description('report every problem of a configuration file, and of the files it names')
    .argument('<file>', 'sluicegate.yaml')
    .option('--json', 'one JSON object on the last line')
    .action(async (file: string, options: CheckOptions) => {
      const loaded = await withNamed(file)
      process.stdout.write(options.json === true ? `${JSON.stringify(reportOf(loaded))}\n` : textOf(file, loaded))
      for (const problem of options.json === true ? [] : loaded.problems) process.stderr.write(`${lineOf(problem)}\n`)
      if (loaded.problems.length > 0) process.exitCode = 3
    })
}

/** The configuration with what is wrong with the rules and certificates it names, too: they are opened as a start would open them. */
async function withNamed(file: string): Promise<LoadedConfig> {
  const loaded = loadConfig(
    file,
    builtInTools.map(({ definition }) => definition.name),
  )
  if (!loaded.config) return loaded
  const policy = policyProblems(loaded).map((line) => problemIn(line, file, 'policies'))
  const detections = (await detectionProblems(loaded.config)).map((line) => problemIn(line, file, 'detector.rules'))
  const certificates = await certificateProblems(file, loaded.config)
  return {
    ...loaded,
    problems: [...loaded.problems, ...policy, ...detections, ...certificates.problems],
    warnings: [...loaded.warnings, ...certificates.warnings],
  }
}

/** Pairs that a start would refuse, and those that are due for another. */
async function certificateProblems(file: string, config: Config): Promise<Pick<LoadedConfig, 'problems' | 'warnings'>> {
  const source = readSource(file)
  const document = placedDocument(typeof source === 'string' ? '' : source.text, file)
  const judged = await judgedCertificates(config, systemClock())
  const of = (state: 'bad' | 'warn') =>
    judged
      .filter(({ finding }) => finding.state === state)
      .map(({ at, finding: { detail, fix = '' } }) => problemAt(document, file, at, `${detail} ${fix}`))
  return { problems: of('bad'), warnings: of('warn') }
}

/** `<file>:<line>: <message>`, or a sentence about the configuration itself. */
function problemIn(line: string, own: string, path: string): Problem {
  const [, file, at, message] = /^(.+?):(\d+): (.*)$/s.exec(line) ?? []
  return file !== undefined && message !== undefined
    ? { file, line: Number(at), path, message }
    : { file: own, line: 1, path, message: line }
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
