import { Socket, type NetConnectOpts, type TcpNetConnectOpts } from 'node:net'

/** One socket that somebody tried to open. */
interface Opened {
  /** What the socket was told to connect to: an address, or a name that nobody had resolved. */
  readonly host: string
  readonly port: number
}

export interface ConnectRecorder extends Disposable {
  /** Every socket of this process since the recorder began, in order. */
  readonly opened: Opened[]
  /** Runs something and gives the sockets opened meanwhile. */
  during(run: () => Promise<unknown>): Promise<readonly Opened[]>
}

/**
 * Stands under everything in this process that opens a socket, TLS included, writes down where it wanted to go, and leads
 * it to `port` on loopback instead. No packet leaves the machine, and nothing can pass by unseen but what `passing` names.
 */
export function connectRecorder(port: number, passing: readonly string[] = []): ConnectRecorder {
  const opened: Opened[] = []
  const original = Object.getOwnPropertyDescriptor(Socket.prototype, 'connect')?.value as Connect
  const recording: Connect = function connect(this: Socket, ...args) {
    const { options, listener } = normal(args)
    if (passing.includes(hostOf(options))) return original.apply(this, args)
    opened.push({ host: hostOf(options), port: 'port' in options ? options.port : 0 })
    const led: TcpNetConnectOpts = { ...withoutLookup(options), host: '127.0.0.1', port }
    return original.call(this, led, listener)
  }
  Socket.prototype.connect = recording
  return {
    opened,
    async during(run) {
      const before = opened.length
      await run()
      return opened.slice(before)
    },
    [Symbol.dispose]: () => {
      Socket.prototype.connect = original
    },
  }
}

type Connect = (this: Socket, ...args: unknown[]) => Socket

/** A resolver that knows only these names, and counts how often it was asked. */
export function stubResolver(answers: Readonly<Record<string, readonly string[]>>) {
  const asked: string[] = []
  const resolve = async (name: string): Promise<readonly string[]> => {
    asked.push(name)
    const found = Object.hasOwn(answers, name) ? answers[name] : undefined
    if (!found) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
    return found
  }
  return { resolve, asked }
}

/** `net.connect` hands its arguments over as one array; everybody else calls with options, or with port and host. */
function normal(args: readonly unknown[]): { options: NetConnectOpts; listener: unknown } {
  const [first, second, third] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args
  if (typeof first === 'object' && first !== null) return { options: first as NetConnectOpts, listener: second }
  const host = typeof second === 'string' ? { host: second } : {}
  return { options: { port: Number(first), ...host }, listener: typeof second === 'function' ? second : third }
}

function hostOf(options: NetConnectOpts): string {
  return 'path' in options && options.path
    ? `unix:${options.path}`
    : String('host' in options ? options.host : 'localhost')
}

function withoutLookup(options: NetConnectOpts): object {
  const { lookup: _lookup, path: _path, ...rest } = options as TcpNetConnectOpts & { path?: string }
  return rest
}
