import { randomUUID } from 'node:crypto'
import { listenStdio } from '../src/server/stdio.ts'
import { openGoverned } from './governed.ts'

/** The governed side over stdio, from the directory given. Ends when its input does. */

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('stdio-governed.ts takes a directory.')
const { gateway, options, token } = await openGoverned(directory)
const credential = { kind: 'bearer', token, processId: randomUUID() } as const
const listener = await listenStdio({
  service: gateway.service,
  shows: () => credential,
  input: process.stdin,
  output: process.stdout,
  fault: (error) => options.report({ level: 'error', fault: String(error) }),
})
await listener.ended
await listener.close()
await gateway.close()
process.exit(0)
