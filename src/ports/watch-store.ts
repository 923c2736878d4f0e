import type { Watch } from '../limits/rollout.ts'

/**
 * Watches over rollouts, kept over a restart. There are few of them: who saves more than it can look at has failed before.
 *
 * Promises, run on every adapter by the contract test:
 * - `save` resolves when the watch would survive a power cut; a watch with the same id is replaced;
 * - `list` gives what was saved and not dropped, oldest first.
 */
export interface WatchStore {
  save(watch: Watch): Promise<void>
  drop(id: string): Promise<void>
  list(): Promise<readonly Watch[]>
  close(): Promise<void>
}
