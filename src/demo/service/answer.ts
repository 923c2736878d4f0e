import type { DatabaseSync } from 'node:sqlite'
import type { IncomingMessage } from 'node:http'
import { bodyOf, jsonOf } from './body.ts'
import { callerOf, type Tokens } from './caller.ts'
import { bulkUpdate, previewBulk } from './contacts.ts'
import { once } from './operations.ts'
import { getOrder, listOrders } from './orders.ts'
import { ok, problem, type Reply, type Route } from './route.ts'
import { listTickets } from './tickets.ts'

/** Routes that need nothing but the store. */
export const plainRoutes: readonly Route[] = [listOrders, getOrder, previewBulk, bulkUpdate, listTickets]

export interface Desk {
  readonly store: DatabaseSync
  readonly tokens: Tokens
  /** Tenants whose data this region holds. */
  readonly held: readonly string[]
  readonly nowMs: () => number
  readonly routes: readonly Route[]
}

/** Answers one request: identity first, then the route, then its strict input. Only a handler's own tenant is ever read. */
export async function answer(desk: Desk, request: IncomingMessage): Promise<Reply & { readonly replayed?: boolean }> {
  const url = new URL(request.url ?? '/', 'http://service.invalid')
  if (url.pathname === '/healthz') return ok({ ok: true })
  const caller = callerOf(request, desk.tokens, desk.held)
  if ('refused' in caller) return caller.refused
  const route = find(desk.routes, request.method, url.pathname)
  if ('status' in route) return route
  const text = await bodyOf(request)
  if (text === undefined) return problem(413, 'body_refused', 'The body is too long or not UTF-8.')
  const body = jsonOf(text)
  if (!body) return problem(400, 'bad_request', 'The body is not JSON.')
  const params = decoded(route.path.exec(url.pathname)?.groups)
  const query = single(url.searchParams)
  if (!params || !query) return problem(400, 'bad_request', 'The path or query is malformed.')
  const run = () => route.handle(desk.store, { tenant: caller.tenant, params, query, body: body.value }, desk.nowMs())
  return route.writes ? guarded(desk, request, caller.tenant, text, run) : run()
}

function find(routes: readonly Route[], method: string | undefined, path: string): Route | Reply {
  const there = routes.filter((route) => route.path.test(path))
  if (there.length === 0) return problem(404, 'not_found', 'There is nothing at this path.')
  return there.find((route) => route.method === method) ?? problem(405, 'method_not_allowed', 'Not with this method.')
}

function guarded(desk: Desk, request: IncomingMessage, tenant: string, text: string, run: () => Reply) {
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string' || key.length < 8 || key.length > 256) {
    return problem(400, 'operation_id_required', 'A write needs the header idempotency-key, 8 to 256 characters.')
  }
  return once(desk.store, { tenant, key, request: `${request.method} ${request.url}\n${text}` }, desk.nowMs(), run)
}

function decoded(groups: Record<string, string> | undefined): Readonly<Record<string, string>> | undefined {
  try {
    return Object.fromEntries(Object.entries(groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]))
  } catch {
    return undefined
  }
}

/** Query parameters; a repeated one is ambiguous and refused. */
function single(query: URLSearchParams): Readonly<Record<string, string>> | undefined {
  const pairs = [...query]
  const names = new Set(pairs.map(([name]) => name))
  return names.size === pairs.length && !names.has('__proto__') ? Object.fromEntries(pairs) : undefined
}
