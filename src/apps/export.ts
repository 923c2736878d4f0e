import { hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeBundle } from '../adapters/bundle-zip.ts'
import { isDataDirectory } from '../adapters/evidence-files.ts'
import type { StreamFolder } from '../adapters/evidence-files.ts'
import type { IndexEntry } from '../evidence/bundle.ts'
import { indexFile, trustHint } from '../evidence/bundle.ts'
import { canonicalize } from '../evidence/canonical.ts'
import { firstCustodyLine } from '../evidence/custody.ts'
import type { BundledStream, BundleFacts, Query } from '../evidence/manifest.ts'
import { makeManifest, manifestFile } from '../evidence/manifest.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import { momentsOf } from '../evidence/timeline.ts'
import { timelineHtml } from '../evidence/timeline-html.ts'
import { queryText, timelineMarkdown } from '../evidence/timeline-text.ts'
import { TrustFile } from '../evidence/trust.ts'
import { verifyText } from '../evidence/verify-text.ts'
import type { Clock } from '../ports/clock.ts'
import type { Receipt } from '../ports/evidence-log.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Signer } from '../ports/signer.ts'
import { serverInfo } from '../server/server-info.ts'
import { spansOfTraces } from '../telemetry/span-file.ts'
import type { PlacedExcerpt } from './gather.ts'
import { gather } from './gather.ts'

export interface ExportOptions {
  /** The data directory. */
  readonly data: string
  readonly query: Query
  /** The zip to write. An older file of that name is replaced once the new one is whole. */
  readonly out: string
  /** Who asks. */
  readonly requester: string
  /** Case or ticket the bundle is for. */
  readonly ticket?: string
  /** Signs the manifest: the deployment key. */
  readonly signer: Signer
  readonly clock: Clock
  /** Makes the `export` record durable. Called before anything is read, so no export goes unrecorded. */
  readonly appendExport: (entry: EvidenceEntry) => Promise<Receipt>
  /** More files, such as `policy/builtin.yaml` and `detections/exfil-spike.yml`. */
  readonly extra?: ReadonlyMap<string, Buffer>
}

export interface ExportReport {
  readonly out: string
  readonly sizeBytes: number
  readonly counts: BundleFacts['counts']
  readonly streams: readonly BundledStream[]
  /** The record that says the bundle was made. */
  readonly exportRecord: { readonly stream: string; readonly seq: number; readonly leaf: string }
}

/** The verifier that travels with every bundle. */
const verifierFile = fileURLToPath(new URL('../../verifier/verify.mjs', import.meta.url))

/**
 * Writes the bundle that answers a query. Refuses a directory without evidence, a query that nothing answers, and one that
 * too much answers; then only the `export` record was written.
 */
export async function exportBundle(options: ExportOptions): Promise<ExportReport> {
  const { data, query, out } = options
  if (!isDataDirectory(data)) throw new Error(`${data} holds no evidence; name the data directory of a gateway.`)
  const { stream, seq, leaf } = await options.appendExport(exportEntry(options))
  const exportRecord = { stream, seq, leaf }
  const excerpts = await gather(data, query)
  if (excerpts.length === 0) throw new Error(`No record answers the query (${queryText(query)}); nothing was exported.`)
  const spans = await spansOfTraces(data, tracesIn(excerpts))
  const facts = factsOf(options, { excerpts, exportRecord, spans })
  const files = new Map(options.extra ?? [])
  addEvidence(files, excerpts, await trustOf(data))
  files.set('spans/otlp.json', jsonBytes(spans))
  addStory(files, facts, excerpts)
  files.set('custody.jsonl', Buffer.from(await custodyLine(options, facts)))
  files.set('VERIFY.md', Buffer.from(verifyText(facts)))
  files.set('verify.mjs', await readFile(verifierFile))
  const manifest = await makeManifest(digestsOf(files), facts, options.signer)
  files.set(manifestFile, jsonBytes(manifest))
  await writeBundle(out, files)
  return { out, sizeBytes: (await stat(out)).size, counts: facts.counts, streams: facts.streams, exportRecord }
}

function exportEntry({ query, requester, ticket, extra }: ExportOptions): EvidenceEntry {
  const files = [...(extra?.keys() ?? [])]
  const ext = { query, requester, ...(ticket !== undefined && { ticket }), ...(files.length > 0 && { files }) }
  return {
    type: 'export',
    actor: { id: requester, type: 'operator' },
    ext: ext as unknown as JsonObject,
  }
}

function tracesIn(excerpts: readonly PlacedExcerpt[]): ReadonlySet<string> {
  const traces = excerpts.flatMap(({ shown }) => shown.map(({ traceId }) => traceId))
  return new Set(traces.filter((trace) => trace !== undefined))
}

interface Gathered {
  readonly excerpts: readonly PlacedExcerpt[]
  readonly exportRecord: ExportReport['exportRecord']
  readonly spans: JsonObject
}

function factsOf(options: ExportOptions, { excerpts, exportRecord, spans }: Gathered): BundleFacts {
  const { query, requester, ticket, clock } = options
  const index = excerpts.flatMap((excerpt) => excerpt.index)
  const sizes = excerpts.reduce((sum, { size, shown }) => sum + size - shown.length, 0)
  return {
    deployment: deploymentIn(excerpts),
    query,
    requester,
    ...(ticket !== undefined && { ticket }),
    createdMs: clock.nowMs(),
    tool: { name: serverInfo.name, version: serverInfo.version },
    exportRecord,
    streams: excerpts.map(streamFacts),
    counts: {
      records: index.filter(({ why }) => why === 'query').length,
      linked: index.filter(({ why }) => why === 'link').length,
      hashes: sizes,
      spans: spanCount(spans),
    },
  }
}

function streamFacts({ folder, size, root, shown }: PlacedExcerpt): BundledStream {
  return { stream: folder.id, file: recordsFile(folder), size, root, shown: shown.length }
}

function deploymentIn(excerpts: readonly PlacedExcerpt[]): string {
  const deployment = excerpts[0]?.shown[0]?.ext?.['deployment']
  return typeof deployment === 'string' ? deployment : 'unknown'
}

function addEvidence(files: Map<string, Buffer>, excerpts: readonly PlacedExcerpt[], trust: TrustFile): void {
  const index: IndexEntry[] = []
  for (const { folder, bytes, note, shown, ...excerpt } of excerpts) {
    files.set(recordsFile(folder), bytes)
    if (note !== undefined) files.set(`checkpoints/${folder.gateway}/${folder.id}.txt`, Buffer.from(note))
    const delegations = shown[0]?.ext?.['delegations']
    if (delegations !== undefined) files.set(`keys/${folder.gateway}/${folder.id}.json`, jsonBytes({ delegations }))
    index.push(...excerpt.index)
  }
  const lines = index.map((entry) => `${canonicalize(entry as unknown as JsonObject)}\n`)
  files.set(indexFile, Buffer.from(lines.join('')))
  files.set(trustHint, jsonBytes(trust))
}

function addStory(files: Map<string, Buffer>, facts: BundleFacts, excerpts: readonly PlacedExcerpt[]): void {
  const { query, requester, createdMs, ticket } = facts
  const moments = momentsOf(excerpts.flatMap(({ shown }) => shown))
  const story = { query, requester, createdMs, moments, ...(ticket !== undefined && { ticket }) }
  files.set('timeline.md', Buffer.from(timelineMarkdown(story)))
  files.set('timeline.html', Buffer.from(timelineHtml(story)))
}

function custodyLine({ signer }: ExportOptions, facts: BundleFacts): Promise<string> {
  const { query, requester: by, createdMs: atMs, ticket, exportRecord } = facts
  const more = { ...(ticket !== undefined && { ticket }), ...(exportRecord && { exportRecord }) }
  return firstCustodyLine({ action: 'export', atMs, by, query, ...more }, signer)
}

async function trustOf(data: string): Promise<TrustFile> {
  const file = path.join(data, 'trust.json')
  if (!existsSync(file)) throw new Error(`${file} is missing; it holds the public keys that a bundle must name.`)
  return TrustFile.parse(JSON.parse(await readFile(file, 'utf8')))
}

function recordsFile({ gateway, id }: StreamFolder): string {
  return `records/${gateway}/${id}.jsonl`
}

function digestsOf(files: ReadonlyMap<string, Buffer>): ReadonlyMap<string, string> {
  const names = [...files.keys()].sort()
  return new Map(names.map((name) => [name, hash('sha256', files.get(name) as Buffer, 'hex')]))
}

function spanCount({ resourceSpans }: JsonObject): number {
  return (JSON.stringify(resourceSpans).match(/"startTimeUnixNano":/g) ?? []).length
}

function jsonBytes(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`)
}
