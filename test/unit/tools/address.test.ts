import { BlockList, isIPv4 } from 'node:net'
import { assert, ipV4, ipV6, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressOf, notPublic } from '../../../src/tools/address.ts'
import { specialRows } from '../../../src/tools/special-addresses.ts'

/** First and last address of a row, and the neighbours outside it. */
function edges(prefix: string): { inside: readonly string[]; outside: readonly string[] } {
  const [base = '', length = ''] = prefix.split('/')
  const address = addressOf(base)
  if (!address) throw new Error(prefix)
  const size = 1n << BigInt(address.width - Number(length))
  const write = (bits: bigint) => (address.width === 32 ? v4(bits) : v6(bits))
  const neighbours = [address.bits - 1n, address.bits + size].filter(
    (bits) => bits >= 0n && bits < 1n << BigInt(address.width),
  )
  return { inside: [write(address.bits), write(address.bits + size - 1n)], outside: neighbours.map(write) }
}

const v4 = (bits: bigint) => [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.')
const v6 = (bits: bigint) =>
  Array.from({ length: 8 }, (_, index) => ((bits >> BigInt(112 - 16 * index)) & 0xffffn).toString(16)).join(':')

/** Neighbours that stand in another row: multicast ends where reserved addresses begin. */
const alsoSpecial = ['239.255.255.255', '240.0.0.0']

describe('the table of special addresses', () => {
  it.each(specialRows)('closes %s (%s) from its first address to its last', (prefix) => {
    for (const address of edges(prefix).inside)
      expect([address, notPublic(address)]).toEqual([address, expect.any(String)])
  })

  it.each(specialRows)('leaves what lies beside %s alone', (prefix) => {
    for (const address of edges(prefix).outside.filter((one) => !alsoSpecial.includes(one))) {
      expect([address, notPublic(address)]).toEqual([address, undefined])
    }
  })

  it('says of any IPv4 address what a block list of the same rows says', () => {
    const list = new BlockList()
    for (const [prefix] of specialRows) {
      const [base = '', length] = prefix.split('/')
      if (isIPv4(base)) list.addSubnet(base, Number(length))
    }
    assert(
      property(ipV4(), (address) => {
        expect(notPublic(address) !== undefined).toBe(list.check(address))
      }),
      { numRuns: 2000 },
    )
  })

  it('reads any IPv6 address as a URL does', () => {
    const canonical = (text: string) => new URL(`http://[${text}]/`).hostname
    assert(
      property(ipV6(), (text) => {
        expect(canonical(v6(addressOf(text)?.bits ?? 0n))).toBe(canonical(text))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('an address inside another', () => {
  it.each([
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'link local'],
    ['64:ff9b::10.1.2.3', 'private use'],
    ['64:ff9b::a9fe:a9fe', 'link local'],
    ['2001:470:1::5efe:10.0.0.1', 'private use'],
    ['2001:470:1::200:5efe:7f00:1', 'loopback'],
    ['::127.0.0.1', 'outside 2000::/3'],
    ['::8.8.8.8', 'outside 2000::/3'],
    ['2002:808:808::1', '6to4'],
    ['64:ff9b:1::808:808', 'outside 2000::/3'],
    ['fe80::1', 'outside 2000::/3'],
    ['fd12:3456::1', 'outside 2000::/3'],
    ['ff02::1', 'outside 2000::/3'],
    ['::', 'outside 2000::/3'],
    ['::1', 'outside 2000::/3'],
  ])('closes %s (%s)', (address, reason) => {
    expect(notPublic(address)).toContain(reason)
  })

  it.each(['::ffff:8.8.8.8', '64:ff9b::808:808', '2001:470:1::5efe:8.8.8.8', '2606:4700::1111', '8.8.8.8'])(
    'lets %s pass',
    (address) => {
      expect(notPublic(address)).toBeUndefined()
    },
  )
})

describe('a text that is no address', () => {
  it.each([
    'fe80::1%eth0',
    '2606:4700::1%1',
    '127.1',
    '0x7f.0.0.1',
    '2130706433',
    '010.0.0.1',
    '',
    '[::1]',
    'localhost',
    '1.2.3.4.5',
  ])('is never public: %s', (text) => {
    expect(notPublic(text)).toBe('not an address')
  })
})
