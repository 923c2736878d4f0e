import { createServer } from 'node:net'
import type { Config } from '../../config/schema.ts'
import { askReady, type Asking, type Heard } from './admin-ready.ts'
import { bad, fine, warn, type Finding } from './finding.ts'

/** The ports that `serve` would take: free, or taken by a gateway that is ready. */
export async function listenersFinding(
  { listen, admin, mode }: Config,
  asking: Omit<Asking, 'mode'>,
): Promise<Finding> {
  const taken = await Promise.all([whyTaken(listen), whyTaken(admin)])
  const names = ['listen', 'admin'].filter((_, index) => taken[index] !== undefined)
  if (names.length === 0) return fine(`${listen.host}:${listen.port} and ${admin.host}:${admin.port} are free`)
  const codes = new Set(taken.filter((code) => code !== undefined))
  if ([...codes].some((code) => code !== 'EADDRINUSE'))
    return bad(
      `${names.join(' and ')} cannot be opened (${[...codes].join(', ')}).`,
      'Choose another host or port there.',
    )
  return runningFinding(await askReady(admin, { ...asking, mode }), names)
}

/** Undefined when the port can be had. Port 0 always can. */
function whyTaken({ host, port }: { readonly host: string; readonly port: number }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

function runningFinding(heard: Heard, taken: readonly string[]): Finding {
  switch (heard.kind) {
    case 'unusable':
      return warn(heard.why, 'Mend what --ca, --cert and --key name.')
    case 'stranger':
      return bad(`${taken.join(' and ')}: the port is in use, and no gateway answers there.`, stopIt)
    case 'unwelcome':
      return bad('A gateway runs there, and does not take the certificate of --cert.', 'Pass one that an authority in admin.tls.ca issued.') // prettier-ignore
    case 'asks':
      return aloneFinding(taken) ?? fine('a gateway runs there, reachable, and asks for a client certificate: --cert and --key have it asked whether it is ready') // prettier-ignore
    case 'answered':
      return aloneFinding(taken) ?? readyFinding(heard)
  }
}

const stopIt = 'Stop what listens there, or choose another port.'

/** Only one of the two ports is taken: the gateway that answers may be another. */
function aloneFinding(taken: readonly string[]): Finding | undefined {
  if (taken.length > 1) return undefined
  return warn(`A gateway runs there, and only ${taken.join()} is taken.`, 'Is it the one of this configuration?')
}

function readyFinding({ problems, warnings }: Heard & { kind: 'answered' }): Finding {
  const see = 'See to what it says: its log has the details.'
  if (problems.length > 0) return bad(`A gateway runs there and is not ready: ${problems.join(' ')}`, see)
  if (warnings.length > 0) return warn(`A gateway runs there and is ready, and warns: ${warnings.join(' ')}`, see)
  return fine('a gateway runs there, and is ready')
}
