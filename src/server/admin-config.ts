import type { ServerResponse } from 'node:http'
import type { JsonObject } from '../ports/json.ts'
import type { AdminRoute } from './admin-route.ts'
import { sendJson } from './body.ts'

/** The configuration, as operators see and reload it. */
export interface ConfigDesk {
  /** Which one is in force, since when, and what is wrong with the one that was refused last, if it was. */
  state(): JsonObject
  /** Resolves when the attempt has ended; `kind` says how. */
  reload(): Promise<JsonObject>
}

/** `GET /api/v1/config` and `POST /api/v1/reload`: 200 when what was read is in force, 409 when it was refused. */
export function configRoutes(desk: ConfigDesk | undefined): readonly AdminRoute[] {
  if (!desk) return []
  return [
    { method: 'GET', prefix: '/api/v1/config', handle: (_, response) => sendJson(response, 200, desk.state()) },
    { method: 'POST', prefix: '/api/v1/reload', handle: (_, response) => reload(desk, response) },
  ]
}

async function reload(desk: ConfigDesk, response: ServerResponse): Promise<void> {
  const ended = await desk.reload()
  sendJson(response, ended['kind'] === 'refused' ? 409 : 200, ended)
}
