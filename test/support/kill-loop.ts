import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'

/** What a child said was durable. */
export interface Acknowledged {
  readonly stream: string
  readonly seq: number
  readonly leaf: string
}

export interface KillLoop {
  readonly directory: string
  readonly kills: number
  /** In [0, 1): decides when each child is killed. */
  readonly random: () => number
  /** The latest moment of a kill, after the child's log is open. */
  readonly withinMs: number
}

const child = new URL('./kill-child.ts', import.meta.url)

/** Starts a child under load and kills it with SIGKILL, again and again on one data directory. Gives everything the children said was durable. */
export async function killLoop({ directory, kills, random, withinMs }: KillLoop): Promise<readonly Acknowledged[]> {
  const acknowledged: Acknowledged[] = []
  for (let round = 0; round < kills; round++) {
    const process = fork(child, [directory, `round${round}`], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const stderr: Buffer[] = []
    process.stderr?.on('data', (piece: Buffer) => stderr.push(piece))
    process.on('message', (message) => acknowledged.push(...(message as Acknowledged[])))
    const ended = once(process, 'close')
    const isReady = await Promise.race([once(process, 'message').then(() => true), ended.then(() => false)])
    if (!isReady) throw new Error(`The log did not open after kill ${round}: ${Buffer.concat(stderr).toString()}`)
    await after(random() * withinMs)
    process.kill('SIGKILL')
    await ended
  }
  return acknowledged
}
