import type { FieldRule, Findings, Kind, Scanner } from '../dlp/finding.ts'
import { isJsonObject, type Json, type JsonObject } from '../ports/json.ts'
import type { Content } from '../ports/tool.ts'
import type { Invoked, Ready, Redacted } from './call.ts'
import type { Answer } from './outcome.ts'
import { pass, type Stage, type Verdict } from './pipeline.ts'

type Known = Ready & Invoked

export interface RedactParts {
  readonly scanner: Scanner
  /** Injection markers in an output: how many signals. */
  readonly markers: (output: Json) => number
  /** Remembers which identifiers this output brought into the session. */
  readonly learn: (session: string, tenant: string, tool: string, output: Json, markers: number) => void
  /** True when the object fits the tool's output schema. */
  readonly fits: (tool: string, structured: JsonObject) => boolean
}

/**
 * Takes personal data and secrets out of a result, and builds text and structure from the same redacted object.
 * Anything that cannot be scanned, or no longer fits its schema, is withheld: never passed on.
 */
export function redact(parts: RedactParts): Stage<Known, Redacted> {
  return (call) => {
    try {
      return shown(parts, call)
    } catch (error) {
      return withheld(error instanceof Error ? error.name : 'unknown')
    }
  }
}

function shown(parts: RedactParts, call: Known): Verdict<Redacted> {
  const { result, who, checked } = call
  const raw = { structured: result.structured ?? null, content: (result.content ?? []) as unknown as Json }
  const markers = parts.markers(raw)
  parts.learn(who.session, who.tenant, checked.definition.name, raw, markers)
  const clean = parts.scanner.redact(raw, { tenant: who.tenant, fields: fieldsOf(call), clear: clearedFor(call) })
  if (clean.blocked !== undefined) return withheld(`block:${clean.blocked}`)
  const answer = answerFrom(clean.value, result.isError === true)
  if (answer.structured && !answer.isError && !parts.fits(checked.definition.name, answer.structured)) {
    return withheld('output_schema')
  }
  return pass({ answer, shown: clean.findings, markers })
}

/** What policy asks to have masked, and what the caller asked for itself. */
function fieldsOf({ verdict, checked, args }: Known): readonly FieldRule[] {
  const asked = checked.masks?.(args) ?? []
  return [...verdict.redact, ...asked.map((field): FieldRule => ({ field, mode: 'mask' }))]
}

/** Who holds `<scope>:unmasked` sees contact data in clear, unless the call itself asked for a mask. */
function clearedFor({ who, checked, args }: Known): readonly Kind[] {
  const unmasked = checked.scopes(args).some((scope) => who.rights.includes(`${scope}:unmasked`))
  return unmasked ? ['email', 'phone'].filter((kind) => !checked.masks?.(args).includes(kind)) : []
}

function answerFrom(clean: Json, isError: boolean): Answer {
  const { structured, content } = clean as { readonly structured: Json; readonly content: readonly Content[] }
  if (!isJsonObject(structured)) return { content, isError }
  return { content: [...content, { type: 'text', text: JSON.stringify(structured) }], structured, isError }
}

function withheld(cause: string): Verdict<never> {
  return {
    kind: 'fail',
    refusal: {
      denied: { code: 'output_withheld', message: 'The result was withheld: it could not be made safe to show.' },
      cause,
    },
  }
}

/** Findings of a call as one count: arguments and result together. */
export function together(...all: readonly (Findings | undefined)[]): {
  readonly piiCount: number
  readonly kinds: Record<Kind, number>
} {
  const kinds: Record<Kind, number> = {}
  let piiCount = 0
  for (const findings of all) {
    piiCount += findings?.count ?? 0
    for (const [kind, count] of Object.entries(findings?.kinds ?? {})) kinds[kind] = (kinds[kind] ?? 0) + count
  }
  return { piiCount, kinds }
}
