import type { BuiltStream } from './log-mutator.ts'
import { buildStream, joined, segmentName, streamName, trustJson } from './log-mutator.ts'

/** The streams under test/golden/evidence/v1: the first in two segments, the second following it and signing checkpoints only. */
export function goldenStreams(): readonly [BuiltStream, BuiltStream] {
  const first = buildStream({ records: 14 })
  const { id, size, root } = first
  const second = buildStream({
    stream: streamName(2),
    records: 8,
    signing: 'checkpoint',
    prevStream: { id, size, root },
  })
  return [first, second]
}

/** Every golden file by its path, as it must be. */
export function goldenFiles(): ReadonlyMap<string, Buffer> {
  const [first, second] = goldenStreams()
  const file = ({ id }: BuiltStream, number: number) => `streams/gw-1/${id}/${segmentName(number)}`
  return new Map([
    ['trust.json', Buffer.from(`${JSON.stringify(JSON.parse(trustJson()), null, 2)}\n`)],
    [file(first, 1), joined(first.lines.slice(0, 9))],
    [file(first, 2), joined(first.lines.slice(9))],
    [file(second, 1), joined(second.lines)],
  ])
}
