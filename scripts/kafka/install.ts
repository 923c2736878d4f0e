import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const pom = fileURLToPath(new URL('pom.xml', import.meta.url))
const home = fileURLToPath(new URL('../../.kafka/', import.meta.url))
const mark = `${home}lib.sha256`

/** Where the jars are, once installed. */
export const kafkaJars = `${home}lib`

/** What keeps the broker from starting here, or undefined. */
export function kafkaMissing(): string | undefined {
  if (spawnSync('java', ['-version']).status !== 0) return 'skipped: no Java on the path (install a JDK of 17 or newer)'
  return isInstalled() ? undefined : 'skipped: no Kafka (run "node scripts/kafka.ts")'
}

/** Fetches the jars that `pom.xml` names, unless they are there. Gives the exit code: 2 where Java or Maven is missing. */
export function installKafka(say: (line: string) => void): 0 | 1 | 2 {
  if (isInstalled()) return said(`${kafkaJars} is there.`, 0)
  for (const [command, flag] of [['java', '-version'], ['mvn', '--version']] as const) // prettier-ignore
    if (spawnSync(command, [flag]).status !== 0) return said(`There is no ${command} on the path: install a JDK and Maven.`, 2) // prettier-ignore
  rmSync(kafkaJars, { recursive: true, force: true })
  mkdirSync(kafkaJars, { recursive: true })
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${kafkaJars}`]
  const { status } = spawnSync('mvn', ['-q', '-B', '-f', pom, ...goal], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 10 * 60_000,
  })
  if (status !== 0) return said('Maven could not fetch Kafka.', 1)
  writeFileSync(mark, digest())
  return said(`fetched Kafka into ${kafkaJars}`, 0)

  function said<Code>(line: string, code: Code): Code {
    say(line)
    return code
  }
}

/** The mark names the list of jars it was fetched for: another list is fetched anew. */
function isInstalled(): boolean {
  return existsSync(mark) && readFileSync(mark, 'utf8') === digest()
}

function digest(): string {
  return createHash('sha256').update(readFileSync(pom)).digest('hex')
}
