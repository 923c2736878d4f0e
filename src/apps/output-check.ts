import { CfWorkerJsonSchemaValidator } from '@modelcontextprotocol/server/validators/cf-worker'
import type { JsonObject } from '../ports/json.ts'
import type { Tool } from '../ports/tool.ts'

/** Checks redacted results against each tool's own output schema, compiled once. A tool without one has nothing to fit. */
export function outputCheck(tools: readonly Tool[]): (tool: string, structured: JsonObject) => boolean {
  const schemas = new CfWorkerJsonSchemaValidator()
  const checks = new Map(
    tools.flatMap(({ definition: { name, outputSchema } }) =>
      // The validator writes into the schema it is given.
      outputSchema ? [[name, schemas.getValidator(structuredClone(outputSchema) as never)] as const] : [],
    ),
  )
  return (tool, structured) => checks.get(tool)?.(structured).valid ?? true
}
