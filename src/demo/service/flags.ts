import { z } from 'zod'
import type { Json } from '../../ports/json.ts'
import { checked, ok, type Route } from './route.ts'

const Place = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  env: z.enum(['dev', 'staging', 'prod']),
})

const Change = z.strictObject({ rolloutPct: z.number().min(0).max(100) })

/** `GET /flags`: every flag of the tenant, in every environment. */
export const listFlags: Route = {
  method: 'GET',
  path: /^\/flags$/,
  writes: false,
  handle(store, { tenant }) {
    const rows = store
      .prepare('select name, env, rolloutPct, updatedAt from flags where tenant = ? order by name, env')
      .all(tenant)
    return ok({ flags: rows.map((row) => ({ ...row }) as Json) })
  },
}

/** `PUT /flags/:name/:env`: sets the share of traffic that sees a flag, and says what it was. A new name makes a new flag. */
export const setFlag: Route = {
  method: 'PUT',
  path: /^\/flags\/(?<name>[^/]+)\/(?<env>[^/]+)$/,
  writes: true,
  handle(store, { tenant, params, body }, nowMs) {
    const place = checked(Place, { ...params })
    if ('refused' in place) return place.refused
    const change = checked(Change, body)
    if ('refused' in change) return change.refused
    const { name, env } = place.value
    const { rolloutPct } = change.value
    const before = store
      .prepare('select rolloutPct from flags where tenant = ? and name = ? and env = ?')
      .get(tenant, name, env)
    const updatedAt = new Date(nowMs).toISOString()
    store
      .prepare('insert into flags values (?, ?, ?, ?, ?) on conflict do update set rolloutPct = ?4, updatedAt = ?5')
      .run(tenant, name, env, rolloutPct, updatedAt)
    return ok({
      name,
      env,
      rolloutPct,
      previousPct: before ? Number(before['rolloutPct']) : 0,
      created: !before,
      updatedAt,
    })
  },
}
