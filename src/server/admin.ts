import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import type { Engage, Release } from '../control/command.ts'
import { OrderRefused, OrderRequest } from '../control/order.ts'
import type { Json } from '../ports/json.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import { configRoutes, type ConfigDesk } from './admin-config.ts'
import { grantRoutes, type GrantsAdmin } from './admin-grants.ts'
import { bodyAs, refuse, type AdminRoute } from './admin-route.ts'
import { always } from './answer-headers.ts'
import { sendJson } from './body.ts'
import { hostProblem, hostRules, valuesOf, type HostRules } from './host-guard.ts'
import { openListener, type ListenerOptions } from './listener.ts'

const ReleaseOrder = z.strictObject({ reason: z.string().min(1).max(512) })

/** What the admin listener asks of the gateway. */
export interface AdminService {
  /** Problems that make the gateway unfit to serve, one sentence each; none when it is ready. Shown to everybody: no path, no address. */
  problems(): readonly string[]
  /** What an operator should look at while the gateway serves on; shown to everybody, too. */
  warnings(): readonly string[]
  /** Absent where there is no configuration file to read again. */
  readonly config?: ConfigDesk
  /** Prometheus text exposition. */
  metrics(): Promise<string>
  switches(): readonly Json[]
  engage(order: OrderRequest): Promise<Engage>
  /** Undefined when no such switch is engaged. */
  release(id: string, reason: string): Promise<Release | undefined>
  readonly grants: GrantsAdmin
}

export interface AdminOptions extends ListenerOptions {
  readonly service: AdminService
  /** Bearer token that opens everything but the health checks. While it is withdrawn nothing else is open. */
  readonly token: Pick<Secret, 'current'>
  /** Host names served beside the loopback ones. */
  readonly hosts?: readonly string[]
}

export interface AdminListener {
  /** e.g. `http://127.0.0.1:8788`. */
  readonly url: string
  close(): Promise<void>
}

/** The operators' listener, apart from the agents': health, metrics, switches and grants. Loopback unless configured otherwise. */
export async function listenAdmin(options: AdminOptions): Promise<AdminListener> {
  const { server, port, scheme, origin, serve } = await openListener(options)
  const rules = hostRules(options, scheme, port)
  serve((request, response) => {
    route(options, rules, request, response).catch((error: unknown) => {
      if (request.readableAborted) return
      options.fault(error)
      refuse(response, 500, 'The request failed inside. It was reported.')
    })
  })
  return {
    url: origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function route(
  options: AdminOptions,
  rules: HostRules,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const problem = hostProblem(request, rules)
  if (problem !== undefined) return refuse(response, 403, problem)
  const path = (request.url ?? '/').split('?')[0] as string
  const served = routes(options.service).filter((one) => matches(path, one))
  if (served.length === 0) return refuse(response, 404, 'Nothing is served here.')
  const found = served.find(({ method }) => method === request.method)
  if (!found) return notAllowed(response, served)
  if (!found.open && !authorized(request, options.token)) return challenged(request, response)
  const rest = decoded(innerOf(path, found))
  if (rest === undefined) return refuse(response, 400, 'The path is not well encoded: write a percent sign as %25.')
  await found.handle(request, response, rest)
}

/** Undefined where the percent signs encode nothing. */
function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** RFC 6750 §3.1: a request that showed nothing is told of no error. */
function challenged(request: IncomingMessage, response: ServerResponse): void {
  const error = valuesOf(request, 'authorization').length > 0 ? ', error="invalid_token"' : ''
  const message = 'Pass the admin token: "authorization: Bearer <keys/admin.token>".'
  sendJson(response, 401, { error: { message } }, { 'www-authenticate': `Bearer realm="sluicegate admin"${error}` })
}

function notAllowed(response: ServerResponse, served: readonly AdminRoute[]): void {
  const allow = served.map(({ method }) => method).join(', ')
  sendJson(response, 405, { error: { message: `This path takes ${allow}.` } }, { allow })
}

/** A prefix that ends in a slash takes one more segment, then its suffix; any other path is exact. */
function matches(path: string, { prefix, suffix = '' }: AdminRoute): boolean {
  if (!prefix.endsWith('/')) return path === prefix
  if (!path.startsWith(prefix) || !path.endsWith(suffix)) return false
  const inner = path.slice(prefix.length, path.length - suffix.length)
  return inner.length > 0 && !inner.includes('/')
}

const innerOf = (path: string, { prefix, suffix = '' }: AdminRoute): string =>
  path.slice(prefix.length, path.length - suffix.length)

function routes(service: AdminService): readonly AdminRoute[] {
  return [
    { method: 'GET', prefix: '/healthz', open: true, handle: (_, response) => sendJson(response, 200, { ok: true }) },
    { method: 'GET', prefix: '/readyz', open: true, handle: (_, response) => ready(service, response) },
    { method: 'GET', prefix: '/metrics', handle: (_, response) => metrics(service, response) },
    {
      method: 'GET',
      prefix: '/api/v1/switches',
      handle: (_, response) => sendJson(response, 200, { switches: service.switches() }),
    },
    { method: 'POST', prefix: '/api/v1/switches', handle: (request, response) => engage(service, request, response) },
    {
      method: 'DELETE',
      prefix: '/api/v1/switches/',
      handle: (request, response, id) => release(service, request, response, id),
    },
    ...configRoutes(service.config),
    ...grantRoutes(service.grants),
  ]
}

function ready(service: AdminService, response: ServerResponse): void {
  const problems = service.problems()
  const warnings = service.warnings()
  sendJson(response, problems.length === 0 ? 200 : 503, { ready: problems.length === 0, problems, warnings })
}

async function metrics(service: AdminService, response: ServerResponse): Promise<void> {
  const text = await service.metrics()
  response.writeHead(200, { ...always, 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
  response.end(text)
}

async function engage(service: AdminService, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const order = await bodyAs(OrderRequest, request)
  if (!order.ok) return refuse(response, order.status, order.why)
  try {
    sendJson(response, 201, await service.engage(order.value))
  } catch (error) {
    if (!(error instanceof OrderRefused)) throw error
    refuse(response, 400, error.message)
  }
}

async function release(
  service: AdminService,
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
): Promise<void> {
  const order = await bodyAs(ReleaseOrder, request)
  if (!order.ok) return refuse(response, order.status, order.why)
  const released = await service.release(id, order.value.reason)
  if (!released)
    return refuse(response, 404, 'No such switch is engaged. `sluicegate switch list` shows those that are.')
  sendJson(response, 200, released)
}

function authorized(request: IncomingMessage, token: AdminOptions['token']): boolean {
  const values = valuesOf(request, 'authorization')
  const shown = values.length === 1 ? /^Bearer (\S+)$/i.exec(values[0] as string)?.[1] : undefined
  const expected = inForce(token)
  return shown !== undefined && expected !== undefined && timingSafeEqual(sha256(shown), sha256(expected))
}

/** Undefined while the token is withdrawn: then nobody has it. */
function inForce(token: AdminOptions['token']): string | undefined {
  try {
    return token.current()
  } catch (error) {
    if (error instanceof SecretUnavailable) return undefined
    throw error
  }
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
