import type { WatchStore } from '../ports/watch-store.ts'
import type { Watch } from '../limits/rollout.ts'

/** Watches that live as long as the process: after a restart nobody looks at the flags that were raised before. */
export function memoryWatches(): WatchStore {
  const watches = new Map<string, Watch>()
  return {
    save: async (watch) => void watches.set(watch.id, structuredClone(watch)),
    drop: async (id) => void watches.delete(id),
    list: async () => [...watches.values()].toSorted((one, other) => one.beganMs - other.beganMs),
    close: async () => {},
  }
}
