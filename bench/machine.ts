import { statfsSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'

/** Names of file systems by the number `statfs` gives them (statfs(2)). */
const fileSystems: Readonly<Record<number, string>> = {
  0x01021994: 'tmpfs',
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x794c7630: 'overlayfs',
}

/** The file system a directory is on. */
export function fileSystemOf(directory: string): string {
  const { type } = statfsSync(directory)
  return fileSystems[type] ?? `type 0x${type.toString(16)}`
}

/** What the figures depend on, in one line. */
export function machineText(directory: string): string {
  const [first] = cpus()
  const memoryGb = Math.round(totalmem() / 2 ** 30)
  const busy = (loadavg()[0] ?? 0).toFixed(1)
  const cores = `${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${memoryGb} GB`
  return `Node ${process.version}, ${process.platform} ${process.arch}, ${cores}, data on ${fileSystemOf(directory)}, load ${busy} at start`
}
