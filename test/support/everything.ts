import { z } from 'zod'
import type { Content, Tool } from '../../src/ports/tool.ts'
import { defineTool } from '../../src/tools/define.ts'

/** One red pixel. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
/** A WAV header with no samples. */
const wav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

/** The tools the official conformance suite looks for, as far as a gateway offers them itself. */
export const everything: readonly Tool[] = [
  fixture('test_simple_text', [{ type: 'text', text: 'This is a simple text response for testing.' }]),
  fixture('test_image_content', [{ type: 'image', data: png, mimeType: 'image/png' }]),
  fixture('test_audio_content', [{ type: 'audio', data: wav, mimeType: 'audio/wav' }]),
  fixture('test_embedded_resource', [
    resource('test://embedded-resource', 'This is an embedded resource content.', 'text/plain'),
  ]),
  fixture('test_multiple_content_types', [
    { type: 'text', text: 'Multiple content types test:' },
    { type: 'image', data: png, mimeType: 'image/png' },
    resource('test://mixed-content-resource', '{"test":"data","value":123}', 'application/json'),
  ]),
  fixture(
    'test_error_handling',
    [{ type: 'text', text: 'This tool intentionally returns an error for testing' }],
    true,
  ),
]

function resource(uri: string, text: string, mimeType: string): Content {
  return { type: 'resource', resource: { uri, mimeType, text } }
}

function fixture(name: string, content: readonly Content[], isError = false): Tool {
  const { outputSchema: _none, ...definition } = defineTool({
    ...common,
    name,
    invoke: async () => ({ content, isError }),
  }).definition
  return { ...defineTool({ ...common, name, invoke: async () => ({ content, isError }) }), definition }
}

const common = {
  title: 'Conformance fixture',
  description: 'Answers a fixed result.',
  args: z.strictObject({}) as z.ZodType<object>,
  result: z.object({}),
  effect: 'read' as const,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  costUsd: 0,
  examples: [],
  scopes: () => ['fixture.read'],
  visibleWith: ['fixture.read'],
}
