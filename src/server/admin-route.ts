import type { IncomingMessage, ServerResponse } from 'node:http'
import type { z } from 'zod'
import { readBody, sendJson } from './body.ts'
import { parseStrict } from './strict-json.ts'

/** One path of the admin listener. */
export interface AdminRoute {
  readonly method: string
  /** One that ends in a slash takes one more segment, which is handed on. */
  readonly prefix: string
  /** What follows that segment. */
  readonly suffix?: string
  /** Served without the token. */
  readonly open?: boolean
  readonly handle: (request: IncomingMessage, response: ServerResponse, rest: string) => Promise<void> | void
}

type Body<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly status: 400 | 413; readonly why: string }

/** A body of strict JSON that fits the schema, or why it is none. */
export async function bodyAs<T>(schema: z.ZodType<T>, request: IncomingMessage): Promise<Body<T>> {
  const bytes = await readBody(request, 64 * 1024)
  if (bytes === undefined) return { ok: false, status: 413, why: 'The body is larger than 64 KiB.' }
  const parsed = parseStrict(bytes)
  if (!parsed.ok) return { ok: false, status: 400, why: `The body is not strict JSON: ${parsed.why}.` }
  const checked = schema.safeParse(parsed.value)
  if (checked.success) return { ok: true, value: checked.data }
  const [issue] = checked.error.issues
  return { ok: false, status: 400, why: `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'is wrong'}` }
}

/** Refuses in one sentence. */
export function refuse(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { error: { message } })
}
