import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'

const program = resolve(import.meta.dirname, '../../bin/sluicegate.mjs')

/** A run of `sluicegate` in a process of its own. */
export interface Run extends AsyncDisposable {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  /** Everything written so far. */
  stdout(): string
  stderr(): string
  /** Resolves with the first line of a stream that fits; rejects when the process ends before. */
  line(of: 'stdout' | 'stderr', fits: (line: string) => boolean): Promise<string>
  /** Resolves with the exit code when the process has ended. */
  ended(): Promise<number | null>
}

/** Starts the program with these arguments. Killed when the test is done with it. */
export function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  execArgv: readonly string[] = [],
): Run {
  const child = spawn(process.execPath, [...execArgv, program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...env },
  })
  const texts = { stdout: '', stderr: '' }
  child.stdout.on('data', (piece: Buffer) => (texts.stdout += piece.toString()))
  child.stderr.on('data', (piece: Buffer) => (texts.stderr += piece.toString()))
  child.stdin.on('error', () => undefined)
  const closed = once(child, 'close').then(([code]) => code as number | null)
  const line: Run['line'] = (of, fits) =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = texts[of].split('\n').slice(0, -1).find(fits)
        if (found === undefined) return
        child[of].off('data', look)
        resolve(found)
      }
      child[of].on('data', look)
      void closed.then(() => reject(new Error(`ended before it said so:\n${texts.stderr}${texts.stdout}`)))
      look()
    })
  return {
    process: child,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    line,
    ended: () => closed,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** Runs a command to its end. */
export async function ran(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const one = run(args)
  one.process.stdin.end()
  const code = await one.ended()
  return { code, stdout: one.stdout(), stderr: one.stderr() }
}
