import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { main } from '../../src/bin/sluicegate.ts'
import '../../src/apps/serve.ts'
import '../../src/bin/commands/serve.ts'
import '../../src/demo/development.ts'

/*
 * `sluicegate serve`, loaded ahead of time: it begins when its parent says so, because the gateway before it must be dead
 * first. It is killed, not stopped.
 */

const [, , ...args] = process.argv
flushCompileCache()
await once(process, 'message')
process.disconnect()
await main([process.execPath, 'sluicegate', 'serve', ...args])
