import { isIPv4, isIPv6 } from 'node:net'
import { specialRows } from './special-addresses.ts'

/** An address as a number. */
export interface Address {
  readonly bits: bigint
  readonly width: 32 | 128
}

interface Block extends Address {
  readonly prefix: number
  readonly name: string
}

/** Reads an address in its usual spelling; without a zone. Gives nothing for any other text. */
export function addressOf(text: string): Address | undefined {
  if (isIPv4(text)) return { bits: v4(text), width: 32 }
  if (isIPv6(text) && !text.includes('%')) return { bits: v6(text), width: 128 }
  return undefined
}

/** Why an address is not the public internet, or nothing when it is. Addresses carried inside others are judged as well. */
export function notPublic(text: string): string | undefined {
  const address = addressOf(text)
  if (!address) return 'not an address'
  if (address.width === 32) return rowOf(address)
  const carried = embedded(address.bits)
  if (carried !== undefined) return rowOf({ bits: carried, width: 32 })
  if (address.bits >> 125n !== 0b001n) return 'outside 2000::/3, RFC 4291'
  return rowOf(address) ?? isatap(address.bits)
}

function rowOf(address: Address): string | undefined {
  return blocks.find((block) => contains(block, address))?.name
}

function contains(block: Block, { bits, width }: Address): boolean {
  const shift = BigInt(width - block.prefix)
  return block.width === width && bits >> shift === block.bits >> shift
}

/** The IPv4 address that a mapped (RFC 4291) or NAT64 (RFC 6052) one stands for. Connecting to it reaches that address. */
function embedded(bits: bigint): bigint | undefined {
  const head = bits >> 32n
  const carried = bits & 0xffff_ffffn
  return head === 0xffffn || head === 0x64_ff9bn << 64n ? carried : undefined
}

/** ISATAP (RFC 5214) ends in `5efe` and an IPv4 address; a router on the way may deliver there. */
function isatap(bits: bigint): string | undefined {
  const marker = (bits >> 32n) & 0xffff_ffffn
  if (marker !== 0x5efen && marker !== 0x200_5efen) return undefined
  return rowOf({ bits: bits & 0xffff_ffffn, width: 32 })
}

function v4(text: string): bigint {
  return text.split('.').reduce((bits, octet) => (bits << 8n) | BigInt(octet), 0n)
}

function v6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  if (dotted) return (v6(`${dotted[1]}0:0`) & ~0xffff_ffffn) | v4(dotted[2] ?? '')
  const [left = '', right] = text.split('::')
  const [head, tail] = [groups(left), groups(right ?? '')]
  const zeros = right === undefined ? [] : Array.from({ length: 8 - head.length - tail.length }, () => 0n)
  return [...head, ...zeros, ...tail].reduce((bits, group) => (bits << 16n) | group, 0n)
}

function groups(text: string): readonly bigint[] {
  return text === '' ? [] : text.split(':').map((group) => BigInt(`0x${group}`))
}

const blocks: readonly Block[] = specialRows.map(([prefix, name]) => {
  const [base = '', length = ''] = prefix.split('/')
  const address = addressOf(base)
  if (!address) throw new Error(`The special-purpose row ${prefix} is malformed.`)
  return { ...address, prefix: Number(length), name: `${prefix} ${name}` }
})
