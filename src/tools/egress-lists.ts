import { addressOf } from './address.ts'
import type { EgressLists } from './egress.ts'

export interface EgressSection {
  readonly mode: 'development' | 'production'
  readonly allow: readonly string[]
  readonly hosts?: Readonly<Record<string, number>>
}

/** What is wrong with the `egress` section, one sentence each, with its path. Empty when nothing is. */
export function egressProblems({ mode, allow, hosts = {} }: EgressSection): readonly string[] {
  const names = Object.keys(hosts)
  return [
    ...allow.flatMap((entry, index) => (isEntry(entry) ? [] : [`egress.allow.${index}: ${entryRule}`])),
    ...names.flatMap((name) => (isName(name) ? [] : [`egress.hosts.${name}: name one exact domain.`])),
    ...(mode === 'production' && names.length > 0 ? ['egress.hosts: exists in development only. Remove it.'] : []),
  ]
}

/** The lists a gateway runs with, in lower case. Throws, with every problem, when the section is wrong. */
export function egressLists(section: EgressSection): EgressLists {
  const problems = egressProblems(section)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  const hosts = Object.entries(section.hosts ?? {}).map(([name, port]) => [name.toLowerCase(), port] as const)
  return { allow: section.allow.map((entry) => entry.toLowerCase()), hosts: Object.fromEntries(hosts) }
}

const entryRule = 'name a domain, or `*.` and a domain of at least two labels for every name below it.'

/** `*.com` would list half the world. */
function isEntry(entry: string): boolean {
  if (entry.startsWith('*.')) return isName(entry.slice(2)) && entry.slice(2).includes('.')
  return isName(entry) || addressOf(entry) !== undefined
}

function isName(name: string): boolean {
  return /^([a-z0-9_-]{1,63}\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(name) && addressOf(name) === undefined
}
