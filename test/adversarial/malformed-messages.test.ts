import { describe, expect, it } from 'vitest'
import { openEdges } from '../../scripts/corpora/edge.ts'
import { tryBytes, type BytesRow } from '../../scripts/corpora/json-bytes.ts'
import { tryMessages, type MessageRow } from '../../scripts/corpora/messages.ts'
import { corporaFolder, rowsOf } from '../../scripts/corpora/rows.ts'

const folder = corporaFolder() ?? ''

describe.skipIf(folder === '')(
  'the collected malformed input (skipped without corpora: set SLUICEGATE_CORPORA)',
  () => {
    it('is refused as JSON through every door, or means to a tool exactly what it said', async () => {
      await using edges = await openEdges()
      const { reject, accepted, crashes } = await tryBytes(edges, rowsOf<BytesRow>(folder, 'json_bytes'))
      expect(reject).toBeGreaterThan(100)
      expect([accepted, crashes, edges.crashes]).toEqual([[], [], []])
      expect(edges.heard.length).toBeGreaterThan(100)
    })

    it('is refused as a message through every door, while official examples are taken', async () => {
      await using edges = await openEdges()
      const tried = await tryMessages(edges, rowsOf<MessageRow>(folder, 'mcp_messages'))
      expect(tried.reject).toBeGreaterThan(250)
      expect([tried.accepted, tried.crashes, tried.refused, edges.crashes]).toEqual([[], [], [], []])
      expect(tried.examples).toBeGreaterThan(60)
    })
  },
)
