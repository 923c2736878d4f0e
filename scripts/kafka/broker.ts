import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { kafkaJars } from './install.ts'

/** A certificate with its key, and who vouches for clients: all PEM. */
export interface BrokerTls {
  readonly cert: string
  readonly key: string
  readonly clientCa: string
}

export interface BrokerOptions {
  /** Its own: what is there survives a restart. */
  readonly directory: string
  /** Opens a second listener that asks for a client certificate. */
  readonly tls?: BrokerTls
  /** Further lines of `server.properties`. */
  readonly properties?: Readonly<Record<string, string | number>>
}

/** One real Kafka broker, on loopback, with ports and data of its own. */
export interface Broker {
  /** `127.0.0.1:port` of the plain listener. */
  readonly address: string
  /** The same of the listener with TLS, where one was asked for. */
  readonly tlsAddress: string
  /** Starts it again after `stop` or `kill`, on the same ports with the same data. Resolves when it serves. */
  start(): Promise<void>
  /** As an operator does. */
  stop(): Promise<void>
  /** As a power cut does, to the process. */
  kill(): Promise<void>
}

/** Starts a broker and resolves when it serves. Rejects with what it printed when it ends before. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const [plain, tls, controller] = await freePorts(3)
  const ports = { plain: plain!, tls: tls!, controller: controller! }
  const file = join(options.directory, 'server.properties')
  mkdirSync(options.directory, { recursive: true })
  writeFileSync(file, propertiesText({ ...common(options, ports), ...tlsProperties(options), ...options.properties }))
  writeFileSync(join(options.directory, 'log4j2.properties'), logging)
  if (!existsSync(join(options.directory, 'data', 'meta.properties'))) format(file)
  let running: ChildProcess | undefined

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = running
    running = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  const broker: Broker = {
    address: `127.0.0.1:${ports.plain}`,
    tlsAddress: `127.0.0.1:${ports.tls}`,
    async start() {
      running ??= await serve(options.directory, file)
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
  await broker.start()
  return broker
}

interface Ports {
  readonly plain: number
  readonly tls: number
  readonly controller: number
}

function common({ directory, tls }: BrokerOptions, ports: Ports): Readonly<Record<string, string | number>> {
  const own = [`PLAINTEXT://127.0.0.1:${ports.plain}`, ...(tls ? [`SSL://127.0.0.1:${ports.tls}`] : [])]
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    listeners: [...own, `CONTROLLER://127.0.0.1:${ports.controller}`].join(),
    'advertised.listeners': own.join(),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(directory, 'data'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'auto.create.topics.enable': 'false',
  }
}

/** PEM stores, so that no password and no keytool is needed. */
function tlsProperties({ directory, tls }: BrokerOptions): Readonly<Record<string, string>> {
  if (!tls) return {}
  const [keystore, truststore] = [join(directory, 'broker.pem'), join(directory, 'clients.pem')]
  writeFileSync(keystore, `${tls.key}${tls.cert}`, { mode: 0o600 })
  writeFileSync(truststore, tls.clientCa)
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystore,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': truststore,
    'ssl.client.auth': 'required',
    'ssl.enabled.protocols': 'TLSv1.3',
  }
}

const propertiesText = (lines: Readonly<Record<string, string | number>>): string =>
  Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

/** Enough to see that it serves, and why it does not. */
const logging = `rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%p %c{1} %m%n
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=INFO
`

const java = (directory: string, ...more: readonly string[]): readonly string[] => [
  '-Xmx512m',
  '-XX:+UseSerialGC',
  `-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`,
  '-cp',
  `${kafkaJars}/*`,
  ...more,
]

function format(file: string): void {
  const tool = (...more: readonly string[]) =>
    spawnSync('java', ['-cp', `${kafkaJars}/*`, 'kafka.tools.StorageTool', ...more], { encoding: 'utf8' })
  const id = tool('random-uuid').stdout.trim()
  const { status, stdout, stderr } = tool('format', '-t', id, '-c', file)
  if (status !== 0) throw new Error(`Kafka cannot format its storage: ${stdout}${stderr}`)
}

/** Lines kept of what it prints, to show why it did not start. */
const printedMax = 40

function serve(directory: string, file: string): Promise<ChildProcess> {
  const child = spawn('java', java(directory, 'kafka.Kafka', file), { stdio: ['ignore', 'pipe', 'pipe'] })
  const printed: string[] = []
  return new Promise((resolve, reject) => {
    const heard = (line: string) => {
      printed.push(line)
      if (printed.length > printedMax) printed.shift()
      if (line.includes('Kafka Server started')) resolve(child)
    }
    createInterface({ input: child.stdout }).on('line', heard)
    createInterface({ input: child.stderr }).on('line', heard)
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`Kafka ended before it served:\n${printed.join('\n')}`)))
  })
}

/** Ports that nobody listens at now. */
async function freePorts(many: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: many }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
