import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { healthSecondsMax } from '../../limits/rollout.ts'
import type { Json } from '../../ports/json.ts'
import { checked, ok, type Route } from './route.ts'
import type { TrafficLog } from './traffic.ts'

const Place = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  env: z.enum(['dev', 'staging', 'prod']),
})

const Change = z.strictObject({ rolloutPct: z.number().min(0).max(100) })

const Window = z.strictObject({
  windowS: z
    .string()
    .regex(/^\d{1,4}(\.\d{1,3})?$/)
    .transform(Number)
    .pipe(z.number().min(0.001).max(healthSecondsMax))
    .default(60),
})

/** What the service does with flags; `traffic` counts their users. */
export function flagRoutes(traffic: TrafficLog): readonly Route[] {
  return [listFlags, setFlag(traffic), flagHealth(traffic)]
}

/** `GET /flags`: every flag of the tenant, in every environment. */
const listFlags: Route = {
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
const setFlag = (traffic: TrafficLog): Route => ({
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
    const before = flagAt(store, tenant, name, env)
    traffic.settle(`${tenant}/${env}/${name}`, name, before?.rolloutPct ?? 0, nowMs)
    const updatedAt = new Date(nowMs).toISOString()
    store
      .prepare('insert into flags values (?, ?, ?, ?, ?) on conflict do update set rolloutPct = ?4, updatedAt = ?5')
      .run(tenant, name, env, rolloutPct, updatedAt)
    return ok({ name, env, rolloutPct, previousPct: before?.rolloutPct ?? 0, created: !before, updatedAt })
  },
})

/**
 * `GET /flags/:name/:env/health?windowS=`: how often the flag was asked for in the last `windowS` seconds (60 unless given),
 * how often that failed, where it stands and since when. A flag that does not exist stands at 0.
 */
const flagHealth = (traffic: TrafficLog): Route => ({
  method: 'GET',
  path: /^\/flags\/(?<name>[^/]+)\/(?<env>[^/]+)\/health$/,
  writes: false,
  handle(store, { tenant, params, query }, nowMs) {
    const place = checked(Place, { ...params })
    if ('refused' in place) return place.refused
    const window = checked(Window, query)
    if ('refused' in window) return window.refused
    const { name, env } = place.value
    const { windowS } = window.value
    const flag = flagAt(store, tenant, name, env)
    const key = `${tenant}/${env}/${name}`
    traffic.settle(key, name, flag?.rolloutPct ?? 0, nowMs)
    const heldS = flag ? Math.max(0, nowMs - Date.parse(flag.updatedAt)) / 1000 : 0
    return ok({
      name,
      env,
      rolloutPct: flag?.rolloutPct ?? 0,
      heldS,
      windowS,
      ...traffic.counted(key, windowS * 1000, nowMs),
    })
  },
})

function flagAt(store: DatabaseSync, tenant: string, name: string, env: string) {
  const row = store
    .prepare('select rolloutPct, updatedAt from flags where tenant = ? and name = ? and env = ?')
    .get(tenant, name, env)
  return row && { rolloutPct: Number(row['rolloutPct']), updatedAt: String(row['updatedAt']) }
}
