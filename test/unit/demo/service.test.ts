import { describe, expect, it } from 'vitest'
import { contacts, orders } from '../../../src/demo/service/rows.ts'
import { seeded } from '../../../src/demo/service/random.ts'
import { dayList, orderIdOf, regions, tenants } from '../../../src/demo/service/tenants.ts'
import { aService, get } from '../../support/demo-services.ts'

const home = { acme: 'us-east', globex: 'eu-west', initech: 'us-east' } as const

describe('the demo rows', () => {
  it('are the same for the same seed and others for another', () => {
    expect(orders('one', 'us-east')).toEqual(orders('one', 'us-east'))
    expect(orders('two', 'us-east')).not.toEqual(orders('one', 'us-east'))
  })

  it('are thousands', () => {
    const counted = (rows: (seed: string, region: (typeof regions)[number]) => readonly unknown[]) =>
      regions.reduce((sum, region) => sum + rows('test', region).length, 0)
    expect(counted(orders)).toBeGreaterThan(2000)
    expect(counted(contacts)).toBeGreaterThan(10_000)
  })

  it.each(Object.entries(home))('hold an order of %s on every day of August and September 2025', (tenant, region) => {
    const days = new Set(
      orders('test', region)
        .filter((row) => row.tenant === tenant)
        .map((row) => row.day),
    )
    expect(dayList).toHaveLength(61)
    expect([dayList[0], dayList.at(-1)]).toEqual(['2025-08-01', '2025-09-30'])
    expect(dayList.filter((day) => !days.has(day))).toEqual([])
  })

  it('keep the European tenant out of us-east', () => {
    const held = (region: (typeof regions)[number]) =>
      new Set([...orders('test', region), ...contacts('test', region)].map((row) => row.tenant))
    expect(held('us-east')).toEqual(new Set(['acme', 'initech', 'local']))
    expect(held('eu-west')).toEqual(new Set(tenants))
  })

  it('put more than a thousand contacts in a large segment and few in a small one', () => {
    const size = (tenant: string, segment: string) =>
      contacts('test', home[tenant as keyof typeof home]).filter(
        (row) => row.tenant === tenant && row.segment === segment,
      ).length
    expect(size('acme', 'dormant')).toBeGreaterThan(1000)
    expect(size('acme', 'vip')).toBeLessThan(500)
    expect(size('globex', 'dormant')).toBeGreaterThan(1000)
  })

  it('hold notes with an address, a telephone number, an account and a card, all of which nobody owns', () => {
    const notes = orders('test', 'eu-west').map((row) => row.note)
    const cards = notes.flatMap((note) => /card ([\d -]{13,19}\d)/.exec(note)?.[1] ?? [])
    const accounts = notes.flatMap((note) => /(?:IBAN|from) ([A-Z]{2}\d{2}[A-Z0-9 ]+\d)/.exec(note)?.[1] ?? [])
    expect(cards.length).toBeGreaterThan(5)
    expect(cards.filter((card) => !luhn(card))).toEqual([])
    expect(accounts.length).toBeGreaterThan(5)
    expect(accounts.filter((account) => !mod97(account))).toEqual([])
    expect(notes.some((note) => /@[a-z.]*example/.test(note))).toBe(true)
    expect(notes.filter((note) => note === '').length).toBeGreaterThan(100)
  })

  it('use mail domains that never belong to anyone', () => {
    const hosts = new Set(orders('test', 'us-east').map((row) => row.email.split('@')[1]))
    expect([...hosts].filter((host) => !/(^|\.)example(\.com|\.org|\.net)?$/.test(host ?? ''))).toEqual([])
  })
})

describe('a seeded source', () => {
  it('stays inside the bounds it was given, and reaches both', () => {
    const random = seeded('bounds')
    const drawn = new Set(Array.from({ length: 500 }, () => random.int(1, 3)))
    expect(drawn).toEqual(new Set([1, 2, 3]))
  })
})

describe('a planted note', () => {
  const orderId = orderIdOf('acme', 'us-east', '2025-09-03', 1)

  it('stands in the order it was planted in, from the start or later', async () => {
    const service = await aService('us-east', { notes: [{ tenant: 'acme', orderId, text: 'first' }] })
    expect(await note(service, orderId)).toBe('first')
    service.plant({ tenant: 'acme', orderId, text: 'second' })
    expect(await note(service, orderId)).toBe('second')
    await service.close()
  })

  it('is refused for an order that does not exist', async () => {
    const notes = [{ tenant: 'globex', orderId, text: 'lost' }]
    await expect(aService('us-east', { notes })).rejects.toThrow(`globex has no order ${orderId}`)
  })
})

async function note(service: Awaited<ReturnType<typeof aService>>, orderId: string): Promise<unknown> {
  const body = (await (await get(service, `/orders/${orderId}`, 'acme')).json()) as { note: string }
  return body.note
}

function luhn(card: string): boolean {
  const digits = card.replace(/\D/g, '').split('').map(Number).toReversed()
  return (
    digits.reduce((sum, digit, index) => sum + (index % 2 ? [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit]! : digit), 0) % 10 ===
    0
  )
}

function mod97(iban: string): boolean {
  const text = iban.replace(/ /g, '')
  const moved = (text.slice(4) + text.slice(0, 4)).replace(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55))
  return BigInt(moved) % 97n === 1n
}
