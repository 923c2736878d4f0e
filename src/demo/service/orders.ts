import { z } from 'zod'
import type { Json } from '../../ports/json.ts'
import { checked, ok, problem, type Route } from './route.ts'

/** Longest list one answer holds. */
const rowsMax = 1000

const columns = `orderId, placedAt, status, name, email, phone, country, items, totalCents / 100.0 as total, currency,
  cardToken, cardLast4, note`

const Range = z.strictObject({
  from: z.iso.date(),
  to: z.iso.date(),
  limit: z.coerce.number().int().min(1).max(rowsMax).default(100),
})

/** `GET /orders?from&to&limit`: the tenant's orders of those days, both included, oldest first, and how many there are. */
export const listOrders: Route = {
  method: 'GET',
  path: /^\/orders$/,
  writes: false,
  handle(store, { tenant, query }) {
    const input = checked(Range, query)
    if ('refused' in input) return input.refused
    const { from, to, limit } = input.value
    const where = 'from orders where tenant = ? and day between ? and ?'
    const counted = store.prepare(`select count(*) as total ${where}`).get(tenant, from, to)
    const rows = store
      .prepare(`select ${columns} ${where} order by placedAt, orderId limit ?`)
      .all(tenant, from, to, limit)
    return ok({ total: Number(counted?.['total']), orders: rows.map((row) => ({ ...row }) as Json) })
  },
}

/** `GET /orders/:id`: one order of the tenant. Another tenant's answers 404, as if it did not exist. */
export const getOrder: Route = {
  method: 'GET',
  path: /^\/orders\/(?<id>[^/]+)$/,
  writes: false,
  handle(store, { tenant, params }) {
    const row = store
      .prepare(`select ${columns} from orders where tenant = ? and orderId = ?`)
      .get(tenant, params['id'] ?? '')
    return row ? ok({ ...row } as Json) : problem(404, 'not_found', 'There is no such order.')
  },
}
