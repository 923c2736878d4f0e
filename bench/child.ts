import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A process of its own for what is measured, so that neither side's garbage is the other's pause. */
export interface Child<Ready> {
  readonly ready: Ready
  /** Processor time so far, and memory now. */
  usage(): Promise<Usage>
  /** Lets it finish what it has begun. Rejects when it ends badly. */
  close(): Promise<void>
}

export interface Usage {
  readonly cpuUs: number
  readonly rssMb: number
}

/** What a process that is over has found out. */
export async function runChild<Result>(file: string, args: readonly string[]): Promise<Result> {
  const child = await startChild<Result>(file, args)
  await child.close()
  return child.ready
}

/** Starts a file of this folder and waits until it says that it is ready. Rejects when it ends before that. */
export async function startChild<Ready>(
  file: string,
  args: readonly string[],
  execArgv: readonly string[] = [],
): Promise<Child<Ready>> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = fork(path, [...args], { execArgv: [...execArgv], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const next = <Message>() =>
    new Promise<Message>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Message))
      void ended.then((code) => reject(new Error(`${file} ended with ${code}`)))
    })
  const ready = await next<Ready>()
  return {
    ready,
    usage() {
      child.send('usage')
      return next<Usage>()
    },
    async close() {
      child.send('close')
      const code = await ended
      if (code !== 0) throw new Error(`${file} ended with ${code}`)
    },
  }
}

/** The child's end: says that it is ready, tells its usage when asked, and ends when it is told to or its parent is gone. */
export function serveParent(ready: unknown, close: () => Promise<void> | void): void {
  const end = async (): Promise<void> => {
    await close()
    process.exit(0)
  }
  process.on('message', (message) => {
    if (message === 'usage') process.send?.(usage())
    if (message === 'close') void end()
  })
  process.on('disconnect', () => void end())
  process.send?.(ready)
}

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system, rssMb: process.memoryUsage.rss() / 1_048_576 }
}
