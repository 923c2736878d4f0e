import { linesIn, recordLines, segmentsOf, streamsOf } from '../adapters/evidence-files.ts'
import type { StreamFolder } from '../adapters/evidence-files.ts'
import { readRecord } from '../evidence/dangling.ts'
import type { Excerpt } from '../evidence/excerpt.ts'
import { excerptOf } from '../evidence/excerpt.ts'
import type { Query } from '../evidence/manifest.ts'
import type { EvidenceRecord } from '../evidence/record.ts'
import type { Incident, Selection } from '../evidence/selection.ts'
import { incidentOf, isAlert, selector } from '../evidence/selection.ts'

/** A stream's excerpt, and where the stream lay. */
export interface PlacedExcerpt extends Excerpt {
  readonly folder: StreamFolder
}

/**
 * Reads a data directory, once to find what answers a query and once to cut it out. Gives the streams that hold some of it;
 * none when nothing answers. Rejects with a RangeError when too much does.
 */
export async function gather(data: string, query: Query): Promise<readonly PlacedExcerpt[]> {
  const folders = await streamsOf(data)
  const selection = await selectFrom(folders, query)
  const excerpts: PlacedExcerpt[] = []
  for (const folder of folders) {
    if (selection.lastOf(folder.id) === undefined) continue
    const lines = linesIn(await segmentsOf(folder.directory))
    excerpts.push({ folder, ...(await excerptOf(folder.id, lines, selection)) })
  }
  return excerpts
}

async function selectFrom(folders: readonly StreamFolder[], query: Query): Promise<Selection> {
  const incident = query.incident === undefined ? undefined : await incidentFrom(folders, query.incident)
  const selecting = selector(query, incident)
  for (const { id: stream, directory } of folders)
    for await (const { bytes, seq } of recordLines(directory)) {
      if (!selecting.wants(bytes, { stream, seq })) continue
      const record = readRecord(bytes.toString())
      if (record !== undefined) selecting.see(record)
    }
  return selecting.finish()
}

async function incidentFrom(folders: readonly StreamFolder[], name: string): Promise<Incident> {
  const alerts: EvidenceRecord[] = []
  for (const { directory } of folders)
    for await (const { bytes } of recordLines(directory)) {
      if (!isAlert(bytes) || !bytes.includes(JSON.stringify(name))) continue
      const record = readRecord(bytes.toString())
      if (record?.type === 'alert') alerts.push(record)
    }
  return incidentOf(alerts, name)
}
