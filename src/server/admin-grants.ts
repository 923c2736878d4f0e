import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { GrantRefused, PersonName, type Decision, type GrantRequest } from '../control/request.ts'
import { ElevationAsk, elevationSecondsMax } from '../identity/elevation.ts'
import { bodyAs, refuse, type AdminRoute } from './admin-route.ts'
import { sendJson } from './body.ts'

/** What the admin listener asks of the desk. Everything that changes something rejects with `GrantRefused` when it may not. */
export interface GrantsAdmin {
  list(): Promise<readonly GrantRequest[]>
  find(id: string): Promise<GrantRequest | undefined>
  request(ask: ElevationAsk): Promise<GrantRequest>
  approve(id: string, decision: Decision): Promise<GrantRequest>
  deny(id: string, decision: Decision): Promise<GrantRequest>
}

interface Said {
  readonly approver: string
  readonly reason?: string
  readonly ttlSeconds?: number
}

/** What a person says of a request. The admin token is one for everybody, so the person names themselves. */
const Said: z.ZodType<Said> = z.strictObject({
  approver: PersonName,
  reason: z.string().trim().min(1).max(512).exactOptional(),
  ttlSeconds: z.int().min(1).max(elevationSecondsMax).exactOptional(),
})

const collection = '/api/v1/grants'

/** Requests for more, and people's decisions about them. */
export function grantRoutes(grants: GrantsAdmin): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      prefix: collection,
      handle: async (_, response) => sendJson(response, 200, { grants: await grants.list() }),
    },
    { method: 'POST', prefix: collection, handle: (request, response) => ask(grants, request, response) },
    { method: 'GET', prefix: `${collection}/`, handle: (_, response, id) => show(grants, response, id) },
    {
      method: 'POST',
      prefix: `${collection}/`,
      suffix: '/approve',
      handle: (request, response, id) => decide(request, response, (decision) => grants.approve(id, decision)),
    },
    {
      method: 'POST',
      prefix: `${collection}/`,
      suffix: '/deny',
      handle: (request, response, id) => decide(request, response, (decision) => grants.deny(id, decision)),
    },
  ]
}

async function ask(grants: GrantsAdmin, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const wanted = await bodyAs(ElevationAsk, request)
  if (!wanted.ok) return refuse(response, wanted.status, wanted.why)
  await answered(response, 201, () => grants.request(wanted.value))
}

async function show(grants: GrantsAdmin, response: ServerResponse, id: string): Promise<void> {
  const found = await grants.find(id)
  if (found) return sendJson(response, 200, found)
  refuse(response, 404, `There is no request ${id}. \`sluicegate grant list\` shows those there are.`)
}

async function decide(
  request: IncomingMessage,
  response: ServerResponse,
  take: (decision: Decision) => Promise<GrantRequest>,
): Promise<void> {
  const said = await bodyAs(Said, request)
  if (!said.ok) return refuse(response, said.status, said.why)
  const { approver: by, reason, ttlSeconds } = said.value
  const more = {
    ...(reason !== undefined && { note: reason }),
    ...(ttlSeconds !== undefined && { ttlMs: ttlSeconds * 1000 }),
  }
  await answered(response, 200, () => take({ by, ...more }))
}

const statuses: Readonly<Record<GrantRefused['kind'], number>> = { unknown: 404, refused: 409, full: 429 }

async function answered(response: ServerResponse, status: number, work: () => Promise<GrantRequest>): Promise<void> {
  try {
    sendJson(response, status, await work())
  } catch (error) {
    if (!(error instanceof GrantRefused)) throw error
    refuse(response, statuses[error.kind], error.message)
  }
}
