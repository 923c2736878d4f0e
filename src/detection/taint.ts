import { isJsonObject, type Json } from '../ports/json.ts'
import type { Provenance } from './analytic.ts'
import { textOf, type Fields } from './event.ts'
import { groupOf, type Feature } from './feature.ts'
import { recent } from './recent.ts'

const sessionsMax = 10_000

interface Source {
  readonly tool: string
  readonly markers: number
}

interface Session {
  /** Identifier, to the output it first stood in. */
  readonly outputs: Map<string, Source>
  /** What the user named, when a trusted channel says so. */
  readonly intent?: readonly string[]
}

/**
 * Whether a call's arguments came out of an earlier tool output of the session. Records carry the gateway's own answer, and that is used as it stands;
 * this computation serves events that carry raw identifiers, which only the examples in rule files do. There the value stands for its own hash.
 */
export function taint(name: string, { by, max_values, trusted }: Provenance): Feature {
  const sessions = recent<Session>({ countMax: sessionsMax })

  return {
    read(fields) {
      const args = listOf(fields['args.identifiers'])
      const session = sessions.get(groupOf(fields, by) ?? '')
      if (args === undefined) return {}
      const value = args.find((one) => session?.outputs.has(one))
      if (value === undefined) return { [`${name}.tainted`]: false }
      const source = session!.outputs.get(value)!
      return {
        [`${name}.tainted`]: true,
        [`${name}.source`]: source.tool,
        [`${name}.source_markers`]: source.markers,
        [`${name}.value_hash`]: value,
        ...(session?.intent &&
          trusted.includes('user_intent') && { [`${name}.in_user_intent`]: session.intent.includes(value) }),
      }
    },
    learn(fields) {
      const key = groupOf(fields, by)
      const found = listOf(fields['result.identifiers'])
      const intent = listOf(fields['user_intent.identifiers'])
      if (key === undefined || (found === undefined && intent === undefined)) return
      const before = sessions.get(key)
      const outputs = before?.outputs ?? new Map<string, Source>()
      remember(outputs, found ?? [], sourceOf(fields), max_values)
      sessions.put(key, { outputs, ...((intent ?? before?.intent) && { intent: intent ?? before?.intent ?? [] }) })
    },
    snapshot: () =>
      [...sessions.entries()].map(([key, { outputs, intent }]) => [
        key,
        [...outputs].map(packed),
        intent ? [...intent] : null,
      ]),
    restore(state) {
      sessions.clear()
      for (const [key, outputs, intent] of state as unknown as readonly PackedSession[])
        sessions.put(key, {
          outputs: new Map(outputs.map(([value, tool, markers]) => [value, { tool, markers }])),
          ...(intent && { intent }),
        })
    },
    evicted: () => sessions.evicted,
  }
}

type PackedSession = readonly [string, readonly (readonly [string, string, number])[], readonly string[] | null]

const packed = ([value, { tool, markers }]: [string, Source]): Json => [value, tool, markers]

function remember(outputs: Map<string, Source>, found: readonly string[], source: Source, max: number): void {
  for (const value of found) if (outputs.size < max && !outputs.has(value)) outputs.set(value, source)
}

function sourceOf(fields: Fields): Source {
  const markers = fields['result.markers']
  return { tool: textOf(fields['tool.name']), markers: typeof markers === 'number' ? markers : 0 }
}

/** Identifiers given as a list, or as a map of argument to identifier; lower case. */
function listOf(value: Json | undefined): readonly string[] | undefined {
  const list = Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : undefined
  return list?.filter((one): one is string => typeof one === 'string').map((one) => one.toLowerCase())
}
