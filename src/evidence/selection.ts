import { answersQuery } from './bundle.ts'
import type { IndexEntry } from './bundle.ts'
import type { Query } from './manifest.ts'
import { mayFit } from './read.ts'
import type { EvidenceRecord } from './record.ts'

/** Records a bundle may show. More than anybody reads; whoever needs them asks for less time. */
const selectedMax = 250_000

/** Records shown in every stream, because nothing else can be understood without them. */
const context = marksOf('stream.', 'key.', 'policy.load"', 'catalog.load"', 'config.load"', 'config.refused"')
/** Alerts, and what switches did. */
const orders = marksOf('alert"', 'kill.', 'switch.enforced"')

/** True when the stored bytes may be a record that is shown in any case. */
export function isContext(bytes: Buffer): boolean {
  return context.some((mark) => bytes.includes(mark))
}

/** True when the stored bytes may be an alert. */
export function isAlert(bytes: Buffer): boolean {
  return bytes.includes(orders[0] as Buffer)
}

/** Where a record stands. */
type Place = Pick<IndexEntry, 'stream' | 'seq'>

/** What an incident is about: the alerts of that name, the sessions they accuse, and the records that fired them. */
export interface Incident {
  readonly sessions: ReadonlySet<string>
  /** `<stream> <seq>` of alerts and of the records that fired them. */
  readonly places: ReadonlySet<string>
}

/** The incident among alerts. Empty when none has that id or dedupe key. */
export function incidentOf(alerts: readonly EvidenceRecord[], name: string): Incident {
  const own = alerts.filter(({ ext }) => ext?.['id'] === name || ext?.['dedupeKey'] === name)
  const sessions = own.map(({ ext }) => ext?.['session']).filter((session) => typeof session === 'string')
  return {
    sessions: new Set(sessions.filter((session) => session !== '')),
    places: new Set(own.flatMap((alert) => [alert, ...firedBy(alert)]).map(keyOf)),
  }
}

/** Which records a bundle shows, and why. */
export interface Selection {
  why(place: Place): IndexEntry['why'] | undefined
  /** Number of the last record to show; undefined when the stream has none. */
  lastOf(stream: string): number | undefined
  readonly size: number
}

/** Sees every record once and finds those that answer the query, with the alerts, switches and intents they belong to. */
export interface Selector {
  /** False spares parsing the record. */
  wants(bytes: Buffer, place: Place): boolean
  see(record: EvidenceRecord): void
  finish(): Selection
}

/** Begins a selection. Throws a RangeError once more than `selectedMax` records are selected. */
export function selector(query: Query, incident?: Incident): Selector {
  const chosen = chosenPlaces()
  const ordered: EvidenceRecord[] = []
  const may = incident === undefined ? mayFit(query) : mayConcern(incident)
  const answers = (record: EvidenceRecord) =>
    incident === undefined ? answersQuery(record, query) : concerns(record, incident)

  return {
    wants: (bytes, place) =>
      may(bytes) || orders.some((mark) => bytes.includes(mark)) || incident?.places.has(keyOf(place)) === true,
    see(record) {
      if (answers(record)) chosen.add(record, 'query')
      // An outcome says where its intent stands; a window of time may have cut them apart.
      const intentSeq = record.ext?.['intentSeq']
      if (chosen.has(record) && typeof intentSeq === 'number')
        chosen.add({ stream: record.stream, seq: intentSeq }, 'link')
      if (isOrder(record)) ordered.push(record)
    },
    finish() {
      for (const record of linkedTo(query, chosen, ordered)) chosen.add(record, 'link')
      return chosen
    },
  }
}

function chosenPlaces() {
  const chosen = new Map<string, Map<number, IndexEntry['why']>>()
  let size = 0
  const why = ({ stream, seq }: Place) => chosen.get(stream)?.get(seq)
  return {
    why,
    has: (place: Place) => why(place) !== undefined,
    add(place: Place, reason: IndexEntry['why']) {
      const known = why(place)
      if (known === 'query') return
      if (known === undefined && ++size > selectedMax)
        throw new RangeError(`More than ${selectedMax} records answer; ask for less time.`)
      chosen.set(
        place.stream,
        (chosen.get(place.stream) ?? new Map<number, IndexEntry['why']>()).set(place.seq, reason),
      )
    },
    lastOf: (stream: string) => largest(chosen.get(stream)),
    get size() {
      return size
    },
  }
}

/** Alerts about what was chosen, the switches they led to, and what became of those. */
function linkedTo(
  query: Query,
  chosen: { has(place: Place): boolean },
  records: readonly EvidenceRecord[],
): readonly EvidenceRecord[] {
  const about = (value: unknown, wanted: string | undefined) => wanted !== undefined && value === wanted
  const alerts = records.filter(
    (record) =>
      record.type === 'alert' &&
      (chosen.has(record) ||
        firedBy(record).some((place) => chosen.has(place)) ||
        about(record.ext?.['session'], query.session) ||
        about(record.ext?.['trace'], query.trace)),
  )
  const alertIds = new Set(alerts.map(({ ext }) => ext?.['id']))
  const applied = records.filter(
    ({ type, ext }) =>
      type === 'kill.apply' &&
      ((ext?.['alert'] !== undefined && alertIds.has(ext['alert'])) || about(ext?.['target'], query.session)),
  )
  const ids = new Set(applied.map(({ ext }) => ext?.['id']))
  const after = records.filter(
    ({ type, ext }) =>
      (type === 'kill.release' && ids.has(ext?.['id'])) || (type === 'switch.enforced' && ids.has(ext?.['switchId'])),
  )
  return [...alerts, ...applied, ...after]
}

function concerns(record: EvidenceRecord, { sessions, places }: Incident): boolean {
  return (record.session !== undefined && sessions.has(record.session)) || places.has(keyOf(record))
}

function mayConcern({ sessions }: Incident): (bytes: Buffer) => boolean {
  const needles = [...sessions].map((session) => Buffer.from(JSON.stringify(session)))
  return (bytes) => needles.some((needle) => bytes.includes(needle))
}

function firedBy({ ext }: EvidenceRecord): readonly Place[] {
  const list: unknown = ext?.['evidence']
  return Array.isArray(list) ? (list as readonly Place[]) : []
}

function isOrder({ type }: EvidenceRecord): boolean {
  return type === 'alert' || type === 'kill.apply' || type === 'kill.release' || type === 'switch.enforced'
}

function keyOf({ stream, seq }: Place): string {
  return `${stream} ${seq}`
}

function largest(places: ReadonlyMap<number, unknown> | undefined): number | undefined {
  let last: number | undefined
  for (const seq of places?.keys() ?? []) if (last === undefined || seq > last) last = seq
  return last
}

function marksOf(...types: readonly string[]): readonly Buffer[] {
  return types.map((type) => Buffer.from(`"type":"${type}`))
}
