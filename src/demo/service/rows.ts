import { person, type Person } from './people.ts'
import { seeded, type Random } from './random.ts'
import { remark } from './remarks.ts'
import { branches, dayList, orderIdOf, type Branch, type Region } from './tenants.ts'

export interface Order {
  readonly orderId: string
  readonly tenant: string
  /** Calendar day, YYYY-MM-DD, UTC. */
  readonly day: string
  readonly placedAt: string
  readonly status: string
  readonly name: string
  readonly email: string
  readonly phone: string
  readonly country: string
  readonly items: number
  readonly totalCents: number
  readonly currency: string
  readonly cardToken: string
  readonly cardLast4: string
  readonly note: string
}

export interface Contact {
  readonly contactId: string
  readonly tenant: string
  readonly segment: string
  readonly name: string
  readonly email: string
  readonly phone: string
  readonly country: string
  readonly status: string
  readonly tier: string
  readonly marketingOptIn: boolean
}

/** All orders of one region: at least one for every tenant it holds on every day of August and September 2025. */
export function orders(seed: string, region: Region): readonly Order[] {
  return branches(region).flatMap((branch) => {
    const random = seeded(`${seed}/orders/${branch.tenant}/${region}`)
    const customers = Array.from({ length: branch.customers }, () => person(random, region))
    return dayList.flatMap((day) => ordersOfDay(random, branch, customers, day))
  })
}

function ordersOfDay(random: Random, branch: Branch, customers: readonly Person[], day: string): readonly Order[] {
  const count = random.int(branch.ordersPerDay.min, branch.ordersPerDay.max)
  return Array.from({ length: count }, (_, index) => order(random, branch, random.pick(customers), day, index + 1))
}

function order(random: Random, branch: Branch, who: Person, day: string, number: number): Order {
  const time = `${two(random.int(6, 22))}:${two(random.int(0, 59))}:${two(random.int(0, 59))}`
  return {
    orderId: orderIdOf(branch.tenant, branch.region, day, number),
    tenant: branch.tenant,
    day,
    placedAt: `${day}T${time}Z`,
    status: random.pick(['paid', 'shipped', 'shipped', 'delivered', 'delivered', 'delivered', 'returned', 'cancelled']),
    ...who,
    items: random.int(1, 6),
    totalCents: random.int(490, 48_900),
    currency: branch.region === 'eu-west' ? 'EUR' : 'USD',
    cardToken: `tok_${text(random, 24)}`,
    cardLast4: String(random.int(0, 9999)).padStart(4, '0'),
    note: remark(random, who),
  }
}

/** All contacts of one region. `active` and `dormant` are large, `vip` is small, in every home region. */
export function contacts(seed: string, region: Region): readonly Contact[] {
  return branches(region).flatMap((branch) => {
    const random = seeded(`${seed}/contacts/${branch.tenant}/${region}`)
    return Array.from({ length: branch.contacts }, (_, index) => contact(random, branch, index + 1))
  })
}

function contact(random: Random, branch: Branch, number: number): Contact {
  return {
    contactId: `${branch.tenant}-${branch.region}-c${String(number).padStart(5, '0')}`,
    tenant: branch.tenant,
    segment: segmentOf(random.next()),
    ...person(random, branch.region),
    status: random.pick(['active', 'active', 'active', 'paused']),
    tier: random.pick(['free', 'free', 'standard', 'premium']),
    marketingOptIn: random.chance(0.6),
  }
}

function segmentOf(share: number): string {
  if (share < 0.03) return 'vip'
  if (share < 0.11) return 'trial'
  if (share < 0.48) return 'active'
  return share < 0.88 ? 'dormant' : 'churned'
}

const two = (value: number) => String(value).padStart(2, '0')

const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789'

function text(random: Random, length: number): string {
  return Array.from({ length }, () => letters[random.int(0, letters.length - 1)]).join('')
}
