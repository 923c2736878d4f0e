import { mkdtempSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DoctorOptions } from '../../../src/apps/doctor.ts'
import type { TlsSection } from '../../../src/config/tls-section.ts'
import { listenAdmin, type AdminService } from '../../../src/server/admin.ts'
import { authority, pairFiles } from '../../support/certificates.ts'
import { cli } from '../../support/cli.ts'
import { doctorBench, type DoctorBench } from '../../support/doctor-place.ts'
import { openTestGateway } from '../../support/gateway.ts'

let bench: DoctorBench
let agents: Server
beforeAll(async () => {
  bench = await doctorBench()
  agents = createServer().listen(0, '127.0.0.1')
  await once(agents, 'listening')
})
afterAll(async () => {
  agents.close()
  await bench[Symbol.asyncDispose]()
})

const portOf = (url: string) => new URL(url).port
const taken = () => (agents.address() as AddressInfo).port

/** What the doctor says of the listeners, with these two ports and this TLS at the admin listener. */
async function listeners(
  ports: { listen: string | number; admin: string | number; tls?: TlsSection },
  more: Partial<DoctorOptions> = {},
) {
  const folder = mkdtempSync(join(bench.home, 'ports-'))
  const { listen, admin, tls } = ports
  const text = tls ? `, tls: ${JSON.stringify(tls)}` : ''
  writeFileSync(
    join(folder, 'sluicegate.yaml'),
    `mode: development\nservices: builtin\nlisten: { port: ${listen} }\nadmin: { port: ${admin}${text} }\n`,
  )
  const checks = await bench.look(folder, more)
  return { folder, found: checks.find(({ name }) => name === 'listeners') }
}

/** The admin listener of a gateway that says this of itself. */
function admin(problems: readonly string[], warnings: readonly string[] = []) {
  const service = { problems: () => problems, warnings: () => warnings } as AdminService
  const never = (error: unknown) => expect.unreachable(String(error))
  return listenAdmin({ service, host: '127.0.0.1', port: 0, token: { current: () => 't' }, fault: never })
}

describe('doctor, where a gateway may be running,', () => {
  it('finds it, and that it is ready', async () => {
    await using gate = await openTestGateway()
    const { found } = await listeners({ listen: portOf(gate.mcp), admin: portOf(gate.admin) })
    expect(found).toMatchObject({ state: 'ok', detail: 'a gateway runs there, and is ready' })
  })

  it.each<[string, readonly string[], readonly string[], string, RegExp]>([
    ['is not ready', ['No evidence can be written.'], ['and more'], 'bad', /is not ready: No evidence can be written/],
    ['is ready and warns', [], ['A ticket register is away.'], 'warn', /warns: A ticket register is away/],
  ])('says so when it %s', async (_what, problems, warnings, state, detail) => {
    const listener = await admin(problems, warnings)
    const { found } = await listeners({ listen: taken(), admin: portOf(listener.url) })
    await listener.close()
    expect([found?.state, found?.detail]).toEqual([state, expect.stringMatching(detail)])
  })

  it('says so when only one of the two ports is taken, and when what has them is no gateway', async () => {
    const listener = await admin([])
    const alone = await listeners({ listen: 0, admin: portOf(listener.url) })
    await listener.close()
    expect([alone.found?.state, alone.found?.detail]).toEqual(['warn', expect.stringContaining('only admin is taken')])
    const { found } = await listeners({ listen: taken(), admin: portOf(bench.url) })
    expect([found?.state, found?.detail]).toEqual(['bad', expect.stringContaining('no gateway answers there')])
  })

  it('says so when a port cannot be had at all', async () => {
    const folder = mkdtempSync(join(bench.home, 'ports-'))
    // An address of documentation (RFC 5737): this machine has none of it.
    const text = 'mode: development\nservices: builtin\nlisten: { port: 0 }\nadmin: { host: 192.0.2.1, port: 0 }\n'
    writeFileSync(join(folder, 'sluicegate.yaml'), text)
    const found = (await bench.look(folder)).find(({ name }) => name === 'listeners')
    expect([found?.state, found?.detail]).toEqual(['bad', 'admin cannot be opened (EADDRNOTAVAIL).'])
  })
})

describe('doctor, where the listeners ask for a client certificate,', () => {
  const [servers, clients, strangers] = [authority('servers'), authority('clients'), authority('strangers')]
  const files = () => {
    const folder = mkdtempSync(join(bench.home, 'mtls-'))
    const ca = join(folder, 'clients.crt')
    writeFileSync(ca, clients.cert)
    const pair = pairFiles(folder, servers.issue('gate'), 'gate')
    const tls: TlsSection = { ...pair, ca, clientCert: 'require', minVersion: '1.3', rotationDays: 90 }
    const client = (by: typeof clients, name: string) => {
      const shown = pairFiles(folder, by.issue(name, { use: ['client'] }), name)
      return { ...shown, minVersion: '1.2', rotationDays: 825 } as const
    }
    return { folder, tls, client }
  }

  it('calls it good, says what it could not ask, and asks with the certificate it is given', async () => {
    const { tls, client, folder } = files()
    await using gate = await openTestGateway({ listen: { tls }, admin: { tls } })
    const ports = { listen: portOf(gate.mcp), admin: portOf(gate.admin), tls }
    const { found } = await listeners(ports)
    expect([found?.state, found?.detail]).toEqual([
      'ok',
      expect.stringMatching(/reachable, and asks for a client cert/),
    ])
    const asked = await listeners(ports, { client: client(clients, 'ana') })
    expect(asked.found).toMatchObject({ state: 'ok', detail: 'a gateway runs there, and is ready' })
    const refused = await listeners(ports, { client: client(strangers, 'eve') })
    expect([refused.found?.state, refused.found?.detail]).toEqual(['bad', expect.stringContaining('does not take')])
    const mixed = await listeners(ports, { client: { ...client(clients, 'bob'), key: join(folder, 'eve.key') } })
    expect([mixed.found?.state, mixed.found?.detail]).toEqual(['warn', expect.stringContaining('does not belong')])
    const file = ['--config', join(asked.folder, 'sluicegate.yaml'), '--data', gate.data]
    const said = await cli('doctor', ...file, '--cert', join(folder, 'ana.crt'), '--key', join(folder, 'ana.key'))
    expect(said.stdout).toMatch(/^ok +listeners +a gateway runs there, and is ready$/m)
  })

  it('calls bad what has the port and not the certificate', async () => {
    const [ours, theirs] = [files(), files()]
    await using gate = await openTestGateway({ admin: { tls: theirs.tls } })
    const ports = { listen: portOf(gate.mcp), admin: portOf(gate.admin), tls: ours.tls }
    const { found } = await listeners(ports)
    expect([found?.state, found?.detail]).toEqual(['bad', expect.stringContaining('no gateway answers there')])
  })
})
