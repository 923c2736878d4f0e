import { addressOf } from './address.ts'
import type { EgressLists } from './egress.ts'

export interface EgressSection {
  readonly mode: 'development' | 'production'
  readonly allow: readonly string[]
  /** Closed with every name below; wins over `allow`. `*.` before a name changes nothing. */
  readonly block?: readonly string[]
  readonly hosts?: Readonly<Record<string, number>>
}

/** What is wrong with the `egress` section, one sentence each, with its path. Empty when nothing is. */
export function egressProblems({ mode, allow, block = [], hosts = {} }: EgressSection): readonly string[] {
  const names = Object.keys(hosts)
  return [
    ...allow.flatMap((entry, index) => (isEntry(spelled(entry)) ? [] : [`egress.allow.${index}: ${entryRule}`])),
    ...block.flatMap((entry, index) => (isHost(closed(entry)) ? [] : [`egress.block.${index}: ${blockRule}`])),
    ...names.flatMap((name) => (isName(name) ? [] : [`egress.hosts.${name}: name one exact domain.`])),
    ...(mode === 'production' && names.length > 0 ? ['egress.hosts: exists in development only. Remove it.'] : []),
  ]
}

/** The lists a gateway runs with, spelled as names are compared. Throws, with every problem, when the section is wrong. */
export function egressLists(section: EgressSection): EgressLists & { readonly block: readonly string[] } {
  const problems = egressProblems(section)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  const hosts = Object.entries(section.hosts ?? {}).map(([name, port]) => [name.toLowerCase(), port] as const)
  const block = (section.block ?? []).map(closed)
  return { allow: section.allow.map(spelled), block, hosts: Object.fromEntries(hosts) }
}

/** An entry as names are compared: lower case, without the final dot. */
export function spelled(entry: string): string {
  return entry.toLowerCase().replace(/\.$/, '')
}

/** What is closed takes every name below with it, so `*.` adds nothing. */
function closed(entry: string): string {
  return spelled(entry).replace(/^\*\./, '')
}

const blockRule = 'name a domain, without scheme, port or path; every name below it is closed too.'
const entryRule = 'name a domain, or `*.` and a domain of at least two labels for every name below it.'

/** `*.com` would list half the world. */
function isEntry(entry: string): boolean {
  if (entry.startsWith('*.')) return isName(entry.slice(2)) && entry.slice(2).includes('.')
  return isHost(entry)
}

function isHost(entry: string): boolean {
  return isName(entry) || addressOf(entry) !== undefined
}

function isName(name: string): boolean {
  return /^([a-z0-9_-]{1,63}\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(name) && addressOf(name) === undefined
}
