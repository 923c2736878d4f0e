import { readFile, stat } from 'node:fs/promises'
import { readdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import path from 'node:path'
import { systemClock } from '../../adapters/clock-system.ts'
import { isDataDirectory } from '../../adapters/evidence-files.ts'
import { exportFromDirectory } from '../../apps/export-offline.ts'
import type { ExportReport } from '../../apps/export.ts'
import type { Query } from '../../evidence/manifest.ts'

interface ExportFlags {
  readonly data: string
  readonly out: string
  readonly trace?: string
  readonly session?: string
  readonly incident?: string
  readonly since?: number
  readonly until?: number
  readonly attach?: string
  readonly requester?: string
  readonly policy?: readonly string[]
  readonly detections?: readonly string[]
  readonly json?: true
}

/** Exports one bundle. */
export async function exportEvidence(flags: ExportFlags): Promise<void> {
  const { data, out, attach, requester = userInfo().username } = flags
  const query = queryOf(flags)
  if (!isDataDirectory(data)) throw new Error(`${data} holds no evidence; name a data directory with --data.`)
  const extra = new Map([
    ...(await filesUnder('policy', flags.policy ?? [])),
    ...(await filesUnder('detections', flags.detections ?? [])),
  ])
  const clock = systemClock()
  const ticket = attach === undefined ? {} : { ticket: attach }
  const report = await exportFromDirectory({ data, query, out, requester, clock, extra, ...ticket })
  process.stdout.write(flags.json ? `${JSON.stringify({ ok: true, ...report })}\n` : textOf(report))
}

function queryOf({ trace, session, incident, since, until }: ExportFlags): Query {
  const named = [trace, session, incident].filter((value) => value !== undefined).length
  const window = since !== undefined || until !== undefined
  if (named > 1 || (named === 0 && !window) || (incident !== undefined && window))
    throw new Error('Say what to export: one of --trace, --session and --incident, or a time with --since and --until.')
  return {
    ...(trace !== undefined && { trace }),
    ...(session !== undefined && { session }),
    ...(incident !== undefined && { incident }),
    ...(since !== undefined && { sinceMs: since }),
    ...(until !== undefined && { untilMs: until }),
  }
}

/** Files, and the files of folders, under one folder of the bundle. */
async function filesUnder(folder: string, paths: readonly string[]): Promise<readonly (readonly [string, Buffer])[]> {
  const files = (await Promise.all(paths.map(plainFiles))).flat()
  return Promise.all(
    files.map(
      async (file) => [`${folder}/${path.basename(file).replace(/[^\w.~-]/g, '_')}`, await readFile(file)] as const,
    ),
  )
}

async function plainFiles(file: string): Promise<readonly string[]> {
  if (!(await stat(file)).isDirectory()) return [file]
  const entries = await readdir(file, { withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => path.join(file, name))
}

function textOf({ out, sizeBytes, counts, streams }: ExportReport): string {
  const { records, linked, hashes, spans } = counts
  return [
    `${out}: ${(sizeBytes / 1024).toFixed(0)} KiB, ${records} records and ${linked} linked to them from ${streams.length} streams, ${hashes} as hashes, ${spans} spans.`,
    `Verify it anywhere with Node 20 or later: unzip -p ${out} verify.mjs > verify.mjs && node verify.mjs ${out} --trust trust.json`,
    '',
  ].join('\n')
}
