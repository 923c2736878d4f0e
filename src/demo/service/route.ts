import type { DatabaseSync } from 'node:sqlite'
import type { z } from 'zod'
import type { Json } from '../../ports/json.ts'

/** A request whose caller is known. `tenant` is the only tenant whose rows any handler may touch. */
interface Asked {
  readonly tenant: string
  /** Named groups of the route's path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Reply {
  readonly status: number
  readonly body: Json
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: RegExp
  /** A write: needs an operation id, and is done at most once under it. */
  readonly writes: boolean
  readonly handle: (store: DatabaseSync, asked: Asked, nowMs: number) => Reply
}

export function ok(body: Json): Reply {
  return { status: 200, body }
}

/** A refusal: a stable code and a sentence. */
export function problem(
  status: number,
  code: string,
  message: string,
  more: Readonly<Record<string, Json>> = {},
): Reply {
  return { status, body: { error: { code, message, ...more } } }
}

/** Checks input against its strict schema. A handler gets the value, or the refusal to give back. */
export function checked<T>(schema: z.ZodType<T>, input: unknown): { readonly value: T } | { readonly refused: Reply } {
  const parsed = schema.safeParse(input)
  if (parsed.success) return { value: parsed.data }
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') ?? ''
  return { refused: problem(400, 'bad_request', `${field || 'request'}: ${issue?.message ?? 'malformed'}`) }
}
