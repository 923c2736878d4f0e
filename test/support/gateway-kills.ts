import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'

const program = new URL('./gateway-child.ts', import.meta.url)
/** Every child of a run compiles the same files: the first one keeps what it made. */
const compileCache = join(tmpdir(), `sluicegate-kills-${process.pid}`)

/** A gateway in a process of its own. */
export interface KillableGateway {
  /** Resolves with the address of `/mcp` when it serves. */
  open(): Promise<string>
  /** SIGKILL; resolves when nothing of it is left. */
  kill(): Promise<void>
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** What the gateway wrote to standard error so far. */
  stderr(): string
}

export interface KillableGateways extends AsyncDisposable {
  next(): KillableGateway
}

/** Starts processes that will each be `sluicegate serve` with these arguments, a few of them ahead of time. */
export function killableGateways(args: readonly string[], aheadMax = 2): KillableGateways {
  const ahead: KillableGateway[] = []
  return {
    next() {
      while (ahead.length < aheadMax) ahead.push(begin(args))
      return ahead.shift() as KillableGateway
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(ahead.map((gateway) => gateway.kill()))
      rmSync(compileCache, { recursive: true, force: true })
    },
  }
}

function begin(args: readonly string[]): KillableGateway {
  const child = fork(program, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
  })
  let stderr = ''
  child.stderr?.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return {
    async open() {
      child.send('go')
      for (;;) {
        const [, ready] = /^(\{"ready":true.*\})$/m.exec(stderr) ?? []
        if (ready !== undefined) return (JSON.parse(ready) as { mcp: string }).mcp
        const more = once(child.stderr as NonNullable<ChildProcess['stderr']>, 'data').then(() => 'more')
        if ((await Promise.race([more, ended])) !== 'more') throw new Error(`The gateway did not open: ${stderr}`)
      }
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    stop() {
      child.kill('SIGTERM')
      return ended
    },
    stderr: () => stderr,
  }
}
