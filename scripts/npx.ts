import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { delimiter, dirname } from 'node:path'
import process from 'node:process'

/** How a program ended, and what it said. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Longest any of these programs may take: npm fetches it the first time. */
const timeoutMs = 5 * 60_000

/**
 * Runs a published program at an exact version, e.g. `name@1.2.3`, under this Node: the one on the machine's path may be
 * too old for it. Its working directory is a temporary one, so that it reads no settings of this project.
 */
export async function npx(program: string, args: readonly string[]): Promise<Ended> {
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  const child = spawn('npx', ['--yes', program, ...args], {
    cwd: tmpdir(),
    env: { ...process.env, PATH: path, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  })
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.setEncoding('utf8').reduce((text: string, piece: string) => text + piece, ''),
    child.stderr.setEncoding('utf8').reduce((text: string, piece: string) => text + piece, ''),
    new Promise<number>((resolve, reject) => child.once('error', reject).once('close', (ended) => resolve(ended ?? 1))),
  ])
  return { code, stdout, stderr }
}
