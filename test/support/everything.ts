import { z } from 'zod'
import type { JsonObject } from '../../src/ports/json.ts'
import type { Content, Tool, ToolResult } from '../../src/ports/tool.ts'
import { defineTool } from '../../src/tools/define.ts'

/** What a caller must hold to see and call the fixture tools. */
export const fixtureScope = 'fixture.read'

/** One red pixel, PNG. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
/** A WAV header with no samples. */
const wav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

const text = (said: string): Content => ({ type: 'text', text: said })

const resource = (uri: string, said: string, mimeType: string): Content => ({
  type: 'resource',
  resource: { uri, mimeType, text: said },
})

/** JSON Schema 2020-12 keywords that a gateway has to pass on as they are (SEP-1613, SEP-2106). */
const schema2020: JsonObject = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a schema, never awaited
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}

/** The tools the official conformance suite looks for, as far as a gateway offers them itself. */
export const everything: readonly Tool[] = [
  fixture('test_simple_text', [text('This is a simple text response for testing.')]),
  fixture('test_image_content', [{ type: 'image', data: png, mimeType: 'image/png' }]),
  fixture('test_audio_content', [{ type: 'audio', data: wav, mimeType: 'audio/wav' }]),
  fixture('test_embedded_resource', [
    resource('test://embedded-resource', 'This is an embedded resource content.', 'text/plain'),
  ]),
  fixture('test_multiple_content_types', [
    text('Multiple content types test:'),
    { type: 'image', data: png, mimeType: 'image/png' },
    resource('test://mixed-content-resource', '{"test":"data","value":123}', 'application/json'),
  ]),
  fixture('test_error_handling', [text('This tool intentionally returns an error for testing')], { isError: true }),
  fixture('test_logging_tool', [text('Nothing was logged, because nobody asked for a level.')]),
  fixture('test_streaming_elicitation', [text('Nothing was asked.')]),
  shaped('json_schema_2020_12_tool', schema2020),
]

function fixture(name: string, content: readonly Content[], more: Partial<ToolResult> = {}): Tool {
  return defineTool({
    name,
    title: 'Conformance fixture',
    description: 'Answers a fixed result.',
    args: z.strictObject({}),
    effect: 'read',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    costUsd: 0,
    examples: [],
    scopes: () => [fixtureScope],
    visibleWith: [fixtureScope],
    invoke: async () => ({ content, ...more }),
  })
}

/** A tool that takes anything and shows this input schema. */
function shaped(name: string, inputSchema: JsonObject): Tool {
  const plain = fixture(name, [text('The arguments were taken.')])
  return {
    ...plain,
    definition: { ...plain.definition, inputSchema },
    validate: (args) => ({ ok: true, args: args as JsonObject }),
  }
}
