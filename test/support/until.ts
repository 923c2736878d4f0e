import { setTimeout as after } from 'node:timers/promises'

/** Far longer than anything here takes, on a machine that is slow and busy: only what never comes is given up. */
const givenUpMs = 30_000

/** Waits until it is so. Throws when it is not after half a minute. */
export async function until(so: () => boolean | Promise<boolean>, what: string = so.toString()): Promise<void> {
  const began = performance.now()
  while (!(await so())) {
    if (performance.now() - began > givenUpMs) throw new Error(`Waited in vain for ${what}.`)
    await after(10)
  }
}
