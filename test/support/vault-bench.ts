/** How long a token lives, and whether it can be renewed. */
export interface VaultToken {
  readonly ttlSec?: number
  readonly renewable?: boolean
}

/** A Vault under test, real or fake. */
export interface VaultBench {
  readonly url: string
  /** Where things are mounted: KV v2, KV v2 two segments deep, KV v1, AppRole. */
  readonly mounts: { readonly v2: string; readonly nested: string; readonly v1: string; readonly appRole: string }
  /** Writes a version of a secret; the mount comes first in the path. */
  put(path: string, data: Readonly<Record<string, unknown>>): Promise<void>
  /** Deletes the newest version. */
  remove(path: string): Promise<void>
  /** A token that may read this one path. */
  token(path: string, more?: VaultToken): Promise<string>
  revoke(token: string): Promise<void>
  /** A role that may read this one path. */
  appRole(path: string, more?: VaultToken): Promise<{ readonly roleId: string; readonly secretId: string }>
  /** Absent where the server is not ours to seal. */
  seal?(): Promise<void>
  unseal?(): Promise<void>
  close(): Promise<void>
}
