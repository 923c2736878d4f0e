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
  if (javaVersion() < 17) return 'skipped: no Java of 17 or newer on the path'
  return isInstalled() ? undefined : 'skipped: no Kafka (run "node scripts/kafka.ts")'
}

/** Fetches the jars that `pom.xml` names, unless they are there. Gives the exit code: 2 where Java or Maven is missing. */
export function installKafka(say: (line: string) => void): 0 | 1 | 2 {
  if (isInstalled()) return said(`${kafkaJars} is there.`, 0)
  if (javaVersion() < 17) return said('There is no Java of 17 or newer on the path: install a JDK.', 2)
  if (spawnSync('mvn', ['--version']).status !== 0) return said('There is no mvn on the path: install Maven.', 2)
  rmSync(kafkaJars, { recursive: true, force: true })
  mkdirSync(kafkaJars, { recursive: true })
  const goal = [
    'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies',
    '-DincludeScope=runtime',
    `-DoutputDirectory=${kafkaJars}`,
  ]
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

/** Its first number; 0 where there is none. */
function javaVersion(): number {
  const { status, stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' })
  return status === 0 ? Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0) : 0
}

/** The mark names the list of jars it was fetched for: another list is fetched anew. */
function isInstalled(): boolean {
  return existsSync(mark) && readFileSync(mark, 'utf8') === digest()
}

function digest(): string {
  return createHash('sha256').update(readFileSync(pom)).digest('hex')
}
