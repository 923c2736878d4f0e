import process from 'node:process'
import { installKafka } from './kafka/install.ts'

/** Fetches a real Kafka broker into `.kafka/lib`, for tests and benches. Needs a JDK and Maven; says so with code 2 where there are none. */
process.exitCode = installKafka((line) => process.stderr.write(`${line}\n`))
