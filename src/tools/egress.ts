import { addressOf, notPublic } from './address.ts'
import { specialNames } from './special-addresses.ts'

/** Where tools may connect. Domains are in lower case, without a final dot. */
export interface EgressLists {
  /**
   * Domains that may be called: `api.example.com` is that name alone, `*.example.com` every name below it but not itself.
   * Exact by default, because a listed provider often lets strangers publish under names of their own.
   */
  readonly allow: readonly string[]
  /** Development only: exact names that lead to a port on loopback. Nothing else about them is relaxed. */
  readonly hosts?: Readonly<Record<string, number>>
}

/** True for a domain that a switch has closed. Asked at every step, so a switch works at once. Wins over `allow`. */
export type Blocked = (domain: string) => boolean

/** What the egress rules make of a URL before anything is resolved. `reason` is for operators. */
export type Judgement =
  | { readonly kind: 'allowed'; readonly domain: string }
  | { readonly kind: 'denied'; readonly domain: string; readonly reason: string }

/** Judges a URL by its text: scheme, user information, name, lists. An address in it is judged when connecting, too. */
export function judgeUrl(url: URL, lists: EgressLists, blocked: Blocked): Judgement {
  const domain = domainOf(url)
  const reason =
    schemeProblem(url) ??
    (blocked(domain) ? 'blocked by a switch' : undefined) ??
    (isMapped(domain, lists) ? undefined : hostProblem(domain)) ??
    (isListed(domain, lists.allow) ? undefined : 'not in egress.allow')
  return reason === undefined ? { kind: 'allowed', domain } : { kind: 'denied', domain, reason }
}

/** The host of a URL as the lists spell it: lower case, no brackets, no final dot. */
export function domainOf(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
}

/** True when a domain is on a list. */
export function isListed(domain: string, list: readonly string[]): boolean {
  return list.some((entry) => entry === domain || (entry.startsWith('*.') && domain.endsWith(entry.slice(1))))
}

/** True when a blocked domain covers this one: blocking a domain blocks every name below it. */
export function isCovered(domain: string, blocked: string): boolean {
  return domain === blocked || domain.endsWith(`.${blocked}`)
}

/** The loopback port a name leads to in development. */
export function isMapped(domain: string, { hosts = {} }: EgressLists): boolean {
  return Object.hasOwn(hosts, domain)
}

/** A URL as policy may ask about it, judged as written: nothing is resolved. */
export function describeUrl(url: URL): {
  readonly scheme: string
  readonly hostname: string
  readonly port: number
  readonly path: string
  readonly is_link_local: boolean
  readonly is_private: boolean
} {
  const hostname = domainOf(url)
  const problem = hostProblem(hostname)
  return {
    scheme: url.protocol.slice(0, -1),
    hostname,
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    path: url.pathname,
    is_link_local: isLinkLocal(hostname, problem),
    is_private: problem !== undefined,
  }
}

function isLinkLocal(hostname: string, problem: string | undefined): boolean {
  return (problem?.includes('link local') ?? false) || /^fe[89ab][0-9a-f]:/.test(hostname)
}

function schemeProblem({ protocol, username, password }: URL): string | undefined {
  if (protocol !== 'http:' && protocol !== 'https:') return 'neither http nor https'
  return username !== '' || password !== '' ? 'user information in the URL' : undefined
}

/** Why a host can never be a public destination: a special address, a special-use name, or no name at all. */
function hostProblem(domain: string): string | undefined {
  if (addressOf(domain)) return notPublic(domain)
  if (!/^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(domain)) {
    return 'not a full domain name'
  }
  return specialNames.some((name) => isCovered(domain, name)) ? 'a special-use name' : undefined
}
