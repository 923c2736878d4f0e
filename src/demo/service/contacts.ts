import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { checked, ok, problem, type Route } from './route.ts'

interface Values {
  readonly status?: string
  readonly tier?: string
  readonly marketingOptIn?: boolean
}

const segment = z.enum(['vip', 'trial', 'active', 'dormant', 'churned'])
const status = z.enum(['active', 'paused', 'archived'])
const tier = z.enum(['free', 'standard', 'premium'])

const Preview = z.strictObject({
  segment,
  status: status.exactOptional(),
  tier: tier.exactOptional(),
  marketingOptIn: z.stringbool({ truthy: ['true'], falsy: ['false'] }).exactOptional(),
})

const Bulk = z.strictObject({
  segment,
  set: z.strictObject({
    status: status.exactOptional(),
    tier: tier.exactOptional(),
    marketingOptIn: z.boolean().exactOptional(),
  }),
  count: z.int().min(1).max(1_000_000),
})

/** `GET /contacts/preview?segment&<field>=<value>`: how many contacts a bulk update with these values would change. */
export const previewBulk: Route = {
  method: 'GET',
  path: /^\/contacts\/preview$/,
  writes: false,
  handle(store, { tenant, query }) {
    const input = checked(Preview, query)
    if ('refused' in input) return input.refused
    const { segment, ...set } = input.value
    if (Object.keys(set).length === 0) return nothingToSet()
    return ok({ segment, count: affected(store, tenant, segment, set) })
  },
}

/** `POST /contacts/bulk`: changes a whole segment, or nothing when more contacts would change than the caller expects. */
export const bulkUpdate: Route = {
  method: 'POST',
  path: /^\/contacts\/bulk$/,
  writes: true,
  handle(store, { tenant, body }) {
    const input = checked(Bulk, body)
    if ('refused' in input) return input.refused
    const { segment, set, count } = input.value
    if (Object.keys(set).length === 0) return nothingToSet()
    const matched = affected(store, tenant, segment, set)
    if (matched > count) {
      return problem(409, 'count_exceeded', 'More contacts would change than `count` allows.', { matched })
    }
    return ok({ segment, updated: change(store, tenant, segment, set) })
  },
}

function nothingToSet() {
  return problem(400, 'bad_request', 'set: name at least one field to change.')
}

/** SQL of the change, from fixed column names only; the values are bound. */
function sqlOf(set: Values): {
  readonly assign: string
  readonly differs: string
  readonly values: readonly (string | number)[]
} {
  const pairs = Object.entries(set).map(
    ([name, value]) => [name, typeof value === 'boolean' ? Number(value) : value] as const,
  )
  return {
    assign: pairs.map(([name]) => `${name} = ?`).join(', '),
    differs: pairs.map(([name]) => `${name} <> ?`).join(' or '),
    values: pairs.map(([, value]) => value),
  }
}

function affected(store: DatabaseSync, tenant: string, segment: string, set: Values): number {
  const { differs, values } = sqlOf(set)
  const sql = `select count(*) as affected from contacts where tenant = ? and segment = ? and (${differs})`
  return Number(store.prepare(sql).get(tenant, segment, ...values)?.['affected'])
}

function change(store: DatabaseSync, tenant: string, segment: string, set: Values): number {
  const { assign, differs, values } = sqlOf(set)
  const sql = `update contacts set ${assign} where tenant = ? and segment = ? and (${differs})`
  return Number(store.prepare(sql).run(...values, tenant, segment, ...values).changes)
}
