import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExportResultCode, type ExportResult } from '@opentelemetry/core'
import { AlwaysOnSampler, InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { describe, expect, it } from 'vitest'
import { spanFileExporter, spansOfTraces } from '../../../src/telemetry/span-file.ts'

/** One finished span of its own trace. */
function oneSpan() {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  })
  provider.getTracer('t').startSpan('one').end()
  return exporter.getFinishedSpans()
}

const written = (exporter: ReturnType<typeof spanFileExporter>) =>
  new Promise<ExportResult>((resolve) => exporter.export(oneSpan(), resolve))

describe('the file of spans', () => {
  it('is set aside when it is full, so that spans never take more than two files', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'spans-'))
    const exporter = spanFileExporter({ path: join(directory, 'spans.jsonl'), sizeMax: 1_000 })
    for (let i = 0; i < 12; i++) expect(await written(exporter)).toEqual({ code: ExportResultCode.SUCCESS })
    expect((await readdir(directory)).sort()).toEqual(['spans.1.jsonl', 'spans.jsonl'])
    for (const name of await readdir(directory))
      expect((await readFile(join(directory, name))).length).toBeLessThanOrEqual(1_000)
  })

  it('costs its batch, and is told, when it cannot be written', async () => {
    const result = await written(spanFileExporter({ path: join(tmpdir(), 'no-such-directory', 'spans.jsonl') }))
    expect(result.code).toBe(ExportResultCode.FAILED)
  })

  it('is read past lines that a crash left unfinished, and with the spans of agents beside it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'spans-'))
    const id = 'ab'.repeat(16)
    await writeFile(join(directory, 'spans.jsonl'), `{"resourceSpans":[{"traceId":"${id}"`)
    await writeFile(
      join(directory, 'spans-agent-1.jsonl'),
      `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${id}"}]}]}]}\n`,
    )
    const { resourceSpans } = await spansOfTraces(directory, new Set([id]))
    expect(resourceSpans).toHaveLength(1)
  })
})
