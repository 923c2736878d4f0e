import type { ToolShape } from '../../policy/lint.ts'
import type { PolicyInput } from '../../policy/verdict.ts'
import type { JsonObject } from '../../ports/json.ts'
import type { Tool } from '../../ports/tool.ts'
import { builtInAliases } from '../../tools/catalog.ts'
import { crmBulkUpdate } from '../../tools/crm-bulk-update.ts'
import { describeUrl } from '../../tools/egress.ts'
import { flagSet } from '../../tools/flag-set.ts'
import { ordersExport } from '../../tools/orders-export.ts'
import { webFetchSafe } from '../../tools/web-fetch-safe.ts'

const tools: ReadonlyMap<string, Tool> = new Map(
  [ordersExport, flagSet, webFetchSafe, crmBulkUpdate].map((tool) => [tool.definition.name, tool]),
)

/** Arguments of the built-in tools, under all their names, for the warnings of `policy check`. */
export function toolShapes(): ReadonlyMap<string, ToolShape> {
  const shapes = [...tools].map(([name, tool]) => [name, shapeOf(tool)] as const)
  const aliases = Object.entries(builtInAliases).flatMap(([alias, name]) => {
    const tool = tools.get(name)
    return tool ? [[alias, shapeOf(tool)] as const] : []
  })
  return new Map([...shapes, ...aliases])
}

function shapeOf({ definition }: Tool): ToolShape {
  const { properties, required } = definition.inputSchema as { properties?: object; required?: readonly string[] }
  return { fields: Object.keys(properties ?? {}), required: required ?? [] }
}

/** Where a call would connect, as policy sees it; the domain counts as not allowed. Nothing for a call that connects nowhere. */
export function destinationFacts(tool: string, args: JsonObject): Pick<PolicyInput, 'egress' | 'url'> {
  const known = tools.get(tool)
  const validation = known?.validate(args)
  const url = validation?.ok ? known?.destination?.(validation.args) : undefined
  if (!url) return {}
  const described = describeUrl(url)
  return { url: described, egress: { domain: described.hostname, domain_in_allowlist: false } }
}
