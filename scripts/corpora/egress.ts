import type { Resolve } from '../../src/adapters/egress-connector.ts'
import { addressOf, notPublic } from '../../src/tools/address.ts'
import { domainOf } from '../../src/tools/egress.ts'
import { fetched, fine, knowing, openEgressBench, unheardWays, type EgressBench } from './egress-bench.ts'

/** A URL, what its names resolve to, and whether a socket may be opened for it. */
export interface EgressRow {
  readonly id: string
  readonly url: string
  /** Resolve against this, as a redirect's `Location` is. */
  readonly base?: string
  readonly host?: string
  readonly dns?: Readonly<Record<string, readonly string[]>>
  readonly expect: 'block' | 'allow' | 'either'
}

export interface EgressCounts {
  readonly mustBlock: number
  readonly mustAllow: number
  readonly reached: number
  /** Fetches tried: each row directly, as a redirect, behind every redirect code, and with an answer that changes. */
  readonly fetches: number
  /** What opened a socket it must not: the row and how. */
  readonly leaks: readonly string[]
  readonly missed: readonly string[]
  /** Ways to open a socket that the recorder did not hear: while there are any, it shows nothing. */
  readonly unheard: readonly string[]
}

/** Statuses that carry a `Location` to go on to. */
const redirects = [301, 302, 303, 307, 308]
const start = 'http://start.example.net/'
const startAddress = '9.9.9.9'
const somewherePublic = ['8.8.4.4']
const somewherePrivate = ['10.0.0.1']

/**
 * Fetches every row with the product's own tool, while every socket of this process is led to a loopback stub and written
 * down, and names resolve to the row's answers. Only sockets count: what the tool says of itself proves nothing.
 */
export async function tryEgress(all: readonly EgressRow[]): Promise<EgressCounts> {
  const rows = all.filter((row) => !isOdd(row))
  const blocked = rows.filter((row) => row.expect === 'block')
  const allowed = rows.filter((row) => row.expect === 'allow')
  using bench = await openEgressBench()
  const unheard = await unheardWays(bench)
  const { leaks: strayed, missed } = await reached(bench, allowed)
  const leaks = [...(await leaksOf(bench, blocked)), ...(await rebindings(bench, allowed)), ...strayed]
  const counts = { mustBlock: blocked.length, mustAllow: allowed.length, reached: allowed.length - missed.length }
  return { ...counts, fetches: bench.fetches, leaks, missed, unheard: [...unheard, ...(await unheardWays(bench))] }
}

/** Which must-allow rows opened no socket to where they lead, and which opened one to somewhere private. */
async function reached(bench: EgressBench, rows: readonly EgressRow[]) {
  const missed: string[] = []
  const leaks: string[] = []
  for (const row of rows) {
    const opened = await direct(bench, row)
    if (opened.some((host) => notPublic(host) !== undefined)) leaks.push(`${row.id} (direct)`)
    else if (!opened.some((host) => isOf(row, host))) missed.push(row.id)
  }
  return { missed, leaks }
}

/** An address that the row's names resolve to, or that its URL spells. */
function isOf(row: EgressRow, host: string): boolean {
  const url = URL.parse(row.url, row.base)
  return addressesOf(row).includes(host) || (url !== null && domainOf(url) === host)
}

const addressesOf = ({ dns = {} }: EgressRow): readonly string[] => Object.values(dns).flat()

/** Every way to a must-block row that opened a socket. */
async function leaksOf(bench: EgressBench, rows: readonly EgressRow[]): Promise<string[]> {
  const leaks: string[] = []
  for (const row of rows) {
    if ((await direct(bench, row)).length > 0) leaks.push(`${row.id} (direct)`)
    if (await leaksAsLocation(bench, row)) leaks.push(`${row.id} (as a Location)`)
    for (const status of redirects) {
      if (await leaksBehind(bench, row, status)) leaks.push(`${row.id} (behind ${status})`)
    }
  }
  return leaks
}

/** The row's URL as it stands, resolved against its base. */
async function direct(bench: EgressBench, row: EgressRow): Promise<readonly string[]> {
  bench.handler = fine
  const url = URL.parse(row.url, row.base)?.href ?? row.url
  return fetched(bench, url, knowing(namesOf(row, url)))
}

/** A page at the base sends the row's own text as `Location`; only the page's socket may be opened. */
async function leaksAsLocation(bench: EgressBench, row: EgressRow): Promise<boolean> {
  const base = row.base === undefined ? undefined : URL.parse(row.base)
  if (base?.protocol !== 'http:') return false
  const page = new URL(`${base.pathname}${base.search}`, start).href
  return beyond(bench, row, page, 302, asHeader(row.url) ?? URL.parse(row.url, page)?.href)
}

async function leaksBehind(bench: EgressBench, row: EgressRow, status: number): Promise<boolean> {
  return beyond(bench, row, start, status, URL.parse(row.url, row.base)?.href ?? asHeader(row.url))
}

/** Whether a redirect led to a socket beside the first page's. */
async function beyond(
  bench: EgressBench,
  row: EgressRow,
  page: string,
  status: number,
  location: string | undefined,
): Promise<boolean> {
  if (location === undefined) return false
  bench.handler = (request, response) => {
    if (request.headers['host'] === new URL(start).host) response.writeHead(status, { location }).end()
    else response.end('arrived')
  }
  const to = URL.parse(location, page)
  // A relative Location stays on the page's own site, which is no leak.
  if (to?.host === new URL(start).host) return false
  const names = { ...namesOf(row, to?.href ?? ''), [new URL(start).hostname]: [startAddress] }
  const opened = await fetched(bench, page, knowing(names), to ? [domainOf(to)] : [])
  return opened.length !== 1 || opened[0] !== startAddress
}

/** Names that first answer publicly and then privately: asked again for a second call, and within one for a redirect to itself. */
async function rebindings(bench: EgressBench, rows: readonly EgressRow[]): Promise<string[]> {
  const leaks: string[] = []
  for (const row of rows.filter(({ dns }) => dns)) {
    const url = URL.parse(row.url, row.base)
    if (!url) continue
    let asked = 0
    const resolve: Resolve = async () => (asked++ % 2 === 0 ? somewherePublic : somewherePrivate)
    bench.handler = (_request, response) => void response.writeHead(302, { location: url.href }).end()
    const opened = [...(await fetched(bench, url.href, resolve)), ...(await fetched(bench, url.href, resolve))]
    if (opened.some((host) => notPublic(host) !== undefined)) leaks.push(`${row.id} (rebound)`)
  }
  return leaks
}

function namesOf(row: EgressRow, url: string): Record<string, readonly string[]> {
  const parsed = URL.parse(url)
  const names = [row.host, parsed?.hostname, parsed ? domainOf(parsed) : undefined]
  const answers = addressesOf(row)
  return answers.length === 0
    ? {}
    : Object.fromEntries(names.flatMap((name) => (name === undefined ? [] : [[name, answers]])))
}

/** A host that neither DNS nor IP can hold: such a row counts nowhere. */
function isOdd({ host }: EgressRow): boolean {
  if (host === undefined) return false
  const bare = host.replace(/^\[|\]$/g, '')
  return addressOf(bare) === undefined && !/^(?=.{1,253}\.?$)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$/i.test(bare)
}

/** A text as a header can carry it (RFC 9110, section 5.5). */
function asHeader(text: string): string | undefined {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text) ? text : undefined
}
