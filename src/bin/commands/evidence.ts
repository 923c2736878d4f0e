import { InvalidArgumentError, type Command } from 'commander'
import { exportEvidence } from './evidence-export.ts'
import { list, show } from './evidence-list.ts'
import { verify } from './evidence-verify.ts'

/** Adds `evidence list`, `show`, `verify` and `export`. */
export function evidenceCommand(program: Command): void {
  const group = program.command('evidence').description('read, verify and hand over the evidence log')
  withFilter(group.command('list').description('one line per record, oldest first'))
    .option('--limit <n>', 'the newest n records only', whole)
    .action(list)
  withFilter(group.command('show').description('records in full')).action(show)
  group
    .command('verify')
    .description('prove that evidence is intact, from files alone')
    .argument('<path>', 'a data directory, a stream directory, a segment, or a bundle')
    .option('--trust <file>', 'public keys you trust; a data directory falls back on its own trust.json')
    .option('--anchor <file>', 'a checkpoint saved elsewhere, which the log must still contain')
    .option('--quick', 'skip record signatures; the chain and the signed checkpoints are still checked')
    .option('--jobs <n>', 'signatures checked side by side', whole, 2)
    .option('--json', 'one JSON object on the last line')
    .action(verify)
  group
    .command('export')
    .description('put everything about an incident into one archive that proves itself')
    .option('--trace <id>', 'one trace')
    .option('--session <key>', 'one session')
    .option('--incident <id>', 'id or dedupe key of an alert: its sessions, alerts and switches')
    .option('--since <time>', 'from this time on: ISO 8601, or 90m, 12h, 7d ago', time)
    .option('--until <time>', 'up to this time', time)
    .requiredOption('--out <file>', 'the archive to write, e.g. incident.zip')
    .option('--attach <ticket>', 'ticket or case that the archive is for')
    .option('--requester <name>', 'who asks; the name of the account unless given')
    .option('--policy <file...>', 'policy files to add')
    .option('--detections <file...>', 'detection rules to add')
    .option('--data <directory>', 'data directory of the gateway', '.sluicegate')
    .option('--json', 'one JSON object on the last line')
    .action(exportEvidence)
}

function withFilter(command: Command): Command {
  return command
    .option('--trace <id>', 'only this trace')
    .option('--session <key>', 'only this session')
    .option('--actor <id>', 'only this actor, e.g. agent:copilot')
    .option('--tool <name>', 'only this tool')
    .option('--since <time>', 'from this time on: ISO 8601, or 90m, 12h, 7d ago', time)
    .option('--until <time>', 'up to this time', time)
    .option('--data <directory>', 'data directory of the gateway', '.sluicegate')
    .option('--json', 'the stored records, one per line')
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds since the epoch. */
function time(text: string): number {
  const [, count, unit = ''] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? []
  const atMs = count === undefined ? Date.parse(text) : Date.now() - Number(count) * (unitMs[unit] ?? 0)
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('Give a time such as 2026-11-20T09:00:00Z, or 90m, 12h, 7d.')
  return atMs
}

function whole(text: string): number {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError('Give a whole number above zero.')
  return Number(text)
}
