const verbs = ['read', 'write', 'delete', 'admin', 'post', 'fetch', 'export']

/**
 * Each scope in both orders in use, resource first (`flags.write:staging`) and verb first (`write:flags:staging`),
 * so that a rule written for one sees the other. Order kept, no repeats.
 */
export function bothSpellings(scopes: readonly string[]): readonly string[] {
  return [...new Set(scopes.flatMap((scope) => [scope, ...otherSpelling(scope)]))]
}

function otherSpelling(scope: string): readonly string[] {
  const [head, ...rest] = scope.split(':') as [string, ...string[]]
  if (verbs.includes(head) && rest.length > 0) return [[`${rest[0]}.${head}`, ...rest.slice(1)].join(':')]
  const dot = head.lastIndexOf('.')
  if (dot < 1 || !verbs.includes(head.slice(dot + 1))) return []
  return [[head.slice(dot + 1), head.slice(0, dot), ...rest].join(':')]
}
