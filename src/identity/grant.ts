/** What configuration says a principal may hold. */
export interface Allowance {
  /** Absent: whatever its tokens carry. */
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

export interface Rights {
  /** Scopes in force. */
  readonly rights: readonly string[]
  /** Scopes the credential carries beyond what the principal is listed for. */
  readonly outsideAllow: readonly string[]
}

/**
 * Scopes in force: what the credential carries and the principal is listed for, and what it was granted for a while;
 * of all that, nothing it is denied. Scopes compare as exact strings: no prefix and no pattern ever matches.
 */
export function rightsOf(
  scopes: readonly string[],
  entry: Allowance | undefined,
  elevations: readonly string[] = [],
): Rights {
  const allowed = entry?.allow && new Set(entry.allow)
  const denied = new Set(entry?.deny)
  const listed = scopes.filter((scope) => allowed?.has(scope) ?? true)
  return {
    rights: [...new Set([...listed, ...elevations])].filter((scope) => !denied.has(scope)),
    outsideAllow: scopes.filter((scope) => allowed?.has(scope) === false),
  }
}
