import { vi } from 'vitest'
import { main } from '../../src/bin/sluicegate.ts'

/** What a server listens for until its process ends; here the process goes on. */
const signals = ['SIGINT', 'SIGTERM'] as const

/** One command line, run in this process: its exit code, and what it said. */
export async function cli(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((piece) => {
      said[name] += String(piece)
      return true
    }),
  )
  const before = process.exitCode
  const listening = signals.map((signal) => new Set(process.listeners(signal)))
  try {
    process.exitCode = 0
    await main([process.execPath, 'sluicegate', ...args])
    return { code: process.exitCode, ...said }
  } finally {
    process.exitCode = before
    for (const [index, signal] of signals.entries())
      for (const listener of process.listeners(signal))
        if (!listening[index]?.has(listener)) process.off(signal, listener)
    for (const spy of spies) spy.mockRestore()
  }
}
