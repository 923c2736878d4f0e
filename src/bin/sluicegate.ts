import { Command, CommanderError } from 'commander'
import { serverInfo } from '../server/server-info.ts'

/** One small file per command; loaded only when it is asked for, so that every command starts fast. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand,
  demo: async () => (await import('./commands/demo.ts')).demoCommand,
  token: async () => (await import('./commands/token.ts')).tokenCommand,
  policy: async () => (await import('./commands/policy.ts')).policyCommand,
  rules: async () => (await import('./commands/rules.ts')).rulesCommand,
  evidence: async () => (await import('./commands/evidence.ts')).evidenceCommand,
  switch: async () => (await import('./commands/switch.ts')).switchCommand,
  grant: async () => (await import('./commands/grant.ts')).grantCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  config: async () => (await import('./commands/config.ts')).configCommand,
  dlp: async () => (await import('./commands/dlp.ts')).dlpCommand,
}

/** Runs one command line. Sets the exit code: 0 ok, 1 what was checked is bad, 2 incomplete or untrusted, 3 usage or configuration. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('sluicegate')
    .description('Observability-first, security-first MCP server and gateway with a SIEM detection pipeline')
    .version(serverInfo.version)
    .exitOverride()
    .showHelpAfterError('(add --help for what is possible)')
  // Whoever reads the output may have had enough: `sluicegate evidence list | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 3))
  const asked = commands[argv[2] ?? '']
  for (const load of asked ? [asked] : Object.values(commands)) (await load())(program)
  try {
    await program.parseAsync([...argv])
  } catch (error) {
    process.exitCode = exitCodeOf(error)
  }
}

/** Commander has already said what was wrong; anything else is told in one sentence. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 3
  process.stderr.write(`sluicegate: ${error instanceof Error ? error.message : String(error)}\n`)
  return 3
}

if (import.meta.main) await main(process.argv)
