/** Regions that run a service of their own. */
export const regions = ['eu-west', 'us-east'] as const

export type Region = (typeof regions)[number]

/** What one tenant keeps in one region. */
export interface Branch {
  readonly tenant: string
  readonly region: Region
  readonly ordersPerDay: { readonly min: number; readonly max: number }
  /** People who order; they come back. */
  readonly customers: number
  readonly contacts: number
}

/**
 * Where each tenant's data lives. The European tenant's is in `eu-west` alone. The American tenants also keep a small
 * European branch there, so that an order of theirs routed to `eu-west` finds European customers and no others. `local` is
 * the tenant of whoever starts a development server and shows no token.
 */
const held: readonly Branch[] = [
  { tenant: 'acme', region: 'us-east', ordersPerDay: { min: 12, max: 22 }, customers: 420, contacts: 4200 },
  { tenant: 'acme', region: 'eu-west', ordersPerDay: { min: 1, max: 4 }, customers: 60, contacts: 400 },
  { tenant: 'globex', region: 'eu-west', ordersPerDay: { min: 9, max: 18 }, customers: 330, contacts: 3600 },
  { tenant: 'initech', region: 'us-east', ordersPerDay: { min: 6, max: 13 }, customers: 240, contacts: 3000 },
  { tenant: 'initech', region: 'eu-west', ordersPerDay: { min: 1, max: 3 }, customers: 40, contacts: 250 },
  { tenant: 'local', region: 'us-east', ordersPerDay: { min: 4, max: 9 }, customers: 90, contacts: 600 },
  { tenant: 'local', region: 'eu-west', ordersPerDay: { min: 1, max: 2 }, customers: 20, contacts: 60 },
]

/** Branches a region holds. */
export function branches(region: Region): readonly Branch[] {
  return held.filter((branch) => branch.region === region)
}

/** Every tenant that has data anywhere. */
export const tenants: readonly string[] = [...new Set(held.map((branch) => branch.tenant))]

const firstMs = Date.UTC(2025, 7, 1)

/** Every day of August and September 2025, YYYY-MM-DD. */
export const dayList: readonly string[] = Array.from({ length: 61 }, (_, index) =>
  new Date(firstMs + index * 86_400_000).toISOString().slice(0, 10),
)

/** Id of the `number`-th order of a day, counted from 1: `acme-us-250801-01`. The first of each day always exists. */
export function orderIdOf(tenant: string, region: Region, day: string, number: number): string {
  return `${tenant}-${region.slice(0, 2)}-${day.slice(2).replaceAll('-', '')}-${String(number).padStart(2, '0')}`
}
