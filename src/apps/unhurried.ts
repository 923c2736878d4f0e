import { setImmediate as turn } from 'node:timers/promises'
import type { Received } from '../call/call.ts'
import type { Stage } from '../call/pipeline.ts'
import type { Json } from '../ports/json.ts'

/** Arguments with more text than this are large, UTF-16 units. */
const largeSize = 16 * 1024

/**
 * A stage that lets everybody else have a turn first when a call's arguments are large: the work of a stage grows with them,
 * and without a pause in between the stages of one call would stop all others for as long as they take together.
 */
export function unhurried<Known extends Received, Learned>(stage: Stage<Known, Learned>): Stage<Known, Learned> {
  return (call) => (sizeLeft(call.rawArgs, largeSize) < 0 ? turn().then(() => stage(call)) : stage(call))
}

/** What is left of a size when a value's text and members are taken off; stops looking once nothing is. */
function sizeLeft(value: Json, size: number): number {
  if (typeof value === 'string') return size - value.length
  if (typeof value !== 'object' || value === null) return size - 1
  let left = size
  for (const part of Object.values(value)) {
    left = sizeLeft(part, left - 1)
    if (left < 0) return left
  }
  return left
}
