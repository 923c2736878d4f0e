import { systemClock } from '../src/adapters/clock-system.ts'
import { listenHttp } from '../src/server/http.ts'
import { serveParent } from './child.ts'
import { openGoverned } from './governed.ts'

/** Serves the governed side over HTTP on a free port, from the directory given. */

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('serve-governed.ts takes a directory.')
const { gateway, options, token } = await openGoverned(directory)
const listener = await listenHttp({
  service: gateway.service,
  host: '127.0.0.1',
  port: 0,
  authorizationServers: options.identity.issuers.map(({ issuer }) => issuer),
  scopes: [],
  clock: systemClock(),
  fault: (error) => options.report({ level: 'error', fault: String(error) }),
})
serveParent({ port: Number(new URL(listener.url).port), token }, async () => {
  await listener.close()
  await gateway.close()
})
