import type { Scanner } from '../dlp/finding.ts'
import type { Taint } from '../detection/provenance.ts'
import type { JsonObject } from '../ports/json.ts'
import type { Tool } from '../ports/tool.ts'
import type { Principal } from '../identity/principal.ts'
import type { Identified, Inspected, Received, Validated } from './call.ts'
import { pass, type Stage } from './pipeline.ts'

/** Where a destination stands with the egress lists. */
export type JudgeDestination = (url: URL, tenant: string) => NonNullable<Inspected['destination']>

/** The ticket, when its register knows it as approved, unexpired, and for this principal and tool. */
export type FindTicket = (ticket: string, who: Principal, tool: string) => Promise<string | undefined>

export interface InspectParts {
  readonly scanner: Scanner
  readonly trace: (session: string, tenant: string, args: JsonObject, sinks: readonly string[] | undefined) => Taint
  readonly destination: JudgeDestination
  readonly ticket: FindTicket
}

/** Looks at the arguments: what personal data they hold, where their values came from, where they point. Changes nothing. */
export function inspect(parts: InspectParts): Stage<Received & Identified & Validated, Inspected> {
  return async ({ who, checked: tool, args }) => {
    const url = tool.destination?.(args)
    const ticket = await ticketOf(parts.ticket, who, tool, args)
    return pass({
      found: parts.scanner.scan(args),
      taint: changes(tool) ? parts.trace(who.session, who.tenant, args, tool.sinks) : untouched,
      ...(url && { destination: parts.destination(url, who.tenant) }),
      ...(ticket !== undefined && { ticket }),
    })
  }
}

const untouched: Taint = { tainted: false, sourceMarkers: 0 }

function changes(tool: Tool): boolean {
  return tool.effect !== 'read'
}

async function ticketOf(find: FindTicket, who: Principal, tool: Tool, args: JsonObject): Promise<string | undefined> {
  const claimed = args['ticket']
  return typeof claimed === 'string' ? find(claimed, who, tool.definition.name) : undefined
}
