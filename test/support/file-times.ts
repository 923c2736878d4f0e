import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'

/** When a file was last written that `writeDated` wrote, seconds since the epoch. */
const datedSec = 1_700_000_000

/** Writes a file and says that it was written at a certain time, as a copy that keeps times does. */
export function writeDated(file: string, text: string): void {
  writeFileSync(file, text)
  utimesSync(file, datedSec, datedSec)
}

/** Waits until the file system's clock, which moves in steps, is past the last change of a file. */
export function pastLastChange(file: string): void {
  const { ctimeNs } = statSync(file, { bigint: true })
  const probe = `${file}.probe`
  do writeFileSync(probe, '')
  while (statSync(probe, { bigint: true }).ctimeNs <= ctimeNs)
  rmSync(probe)
}

/** Writes other text into a file of `writeDated`, in place and with neither its size nor the time of its last write changed. */
export function rewriteUnseen(file: string, text: string): void {
  const { size } = statSync(file)
  if (Buffer.byteLength(text) !== size) throw new Error(`${file} holds ${size} bytes; only as many go unseen.`)
  pastLastChange(file)
  writeDated(file, text)
}
