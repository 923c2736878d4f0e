/** What is known of where a call's sensitive arguments came from. */
export interface Taint {
  /** An identifier in a sink argument appeared in an untrusted tool output of this session. */
  readonly tainted: boolean
  /** Tool whose output it first appeared in. */
  readonly source?: string
  /** Injection markers in that output. */
  readonly sourceMarkers: number
  /** Keyed digest of the tainted value, under the tenant's long-lived key. */
  readonly valueHash?: string
}
