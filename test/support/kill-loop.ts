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
  /** The latest moment of a kill, after the child's log is open, or after the first record of every other one. */
  readonly withinMs: number
}

const program = new URL('./kill-child.ts', import.meta.url)

/** Children that start while another is at work: loading takes longer than dying. */
const aheadMax = 3

/**
 * Lets a child append under load and kills it with SIGKILL, again and again on one data directory. Gives everything the
 * children said was durable.
 */
export async function killLoop({ directory, kills, random, withinMs }: KillLoop): Promise<readonly Acknowledged[]> {
  const acknowledged: Acknowledged[] = []
  const begin = (round: number) => startChild(directory, `round${round}`, acknowledged)
  const children = Array.from({ length: aheadMax }, (_, round) => begin(round))
  for (let round = 0; round < kills; round++) {
    const child = children.shift() as Child
    if (round + aheadMax < kills) children.push(begin(round + aheadMax))
    await child.open()
    // Every other one has something acknowledged by then, however slow the disk is.
    if (round % 2 === 1) await child.acknowledges()
    await after(random() * withinMs)
    await child.kill()
  }
  return acknowledged
}

interface Child {
  /** Resolves when its log is open and it appends. */
  open(): Promise<void>
  /** Resolves when something is durable. */
  acknowledges(): Promise<unknown>
  kill(): Promise<void>
}

function startChild(directory: string, name: string, acknowledged: Acknowledged[]): Child {
  const child = fork(program, [directory, name], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  const stderr: Buffer[] = []
  child.stderr?.on('data', (piece: Buffer) => stderr.push(piece))
  child.on('message', (message) => acknowledged.push(...(message as Acknowledged[])))
  const ended = once(child, 'close')
  return {
    async open() {
      const answer = once(child, 'message').then(() => 'open')
      child.send('open')
      if ((await Promise.race([answer, ended])) !== 'open')
        throw new Error(`The log did not open: ${Buffer.concat(stderr).toString()}`)
    },
    acknowledges: () => Promise.race([once(child, 'message'), ended]),
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
