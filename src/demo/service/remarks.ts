import type { Person } from './people.ts'
import type { Random } from './random.ts'

/** What people type into an order's note field. About one in five holds personal data of its own. */
export function remark(random: Random, who: Person): string {
  if (random.chance(0.45)) return ''
  if (random.chance(0.65)) return random.pick(harmless)
  return random.pick(personal)(random, who)
}

const harmless = [
  'Leave with the neighbour on the second floor.',
  'Gift, please do not enclose the invoice.',
  'Customer asked for the blue version if the green one is out of stock.',
  'Second delivery attempt, first one missed.',
  'Please combine with the order of last week.',
  'Doorbell does not work, knock loudly.',
  'Box was damaged in transit, replacement approved.',
  'Deliver after 17:00 on weekdays.',
  'Loyalty discount of 10 % already applied.',
  'Return window extended by two weeks.',
  'Fragile: glass.',
  'Wants carbon-neutral shipping where possible.',
] as const

type Write = (random: Random, who: Person) => string

const personal: readonly Write[] = [
  (_random, who) => `Call ${who.phone} before delivery.`,
  (_random, who) => `Send the invoice to ${who.email} as well.`,
  (_random, who) => `Recipient is ${who.name}, reachable under ${who.phone} or ${who.email}.`,
  (random, who) => `Refund agreed with ${who.name}, IBAN ${random.pick(ibans)}.`,
  (random) => `Paid by telephone with card ${random.pick(cards)}, please remove this note afterwards.`,
  (random) => `Bank transfer from ${random.pick(ibans)}, reference on the slip.`,
  (_random, who) => `Alternative contact: ${who.email}`,
]

/** Example accounts of the SWIFT IBAN registry. Their check digits hold; no bank keeps them. */
const ibans = [
  'DE89 3704 0044 0532 0130 00',
  'FR14 2004 1010 0505 0001 3M02 606',
  'SE45 5000 0000 0583 9825 7466',
  'IE29AIBK93115212345678',
  'GB29NWBK60161331926819',
  'NL91ABNA0417164300',
] as const

/** Test numbers that card processors document. Luhn holds; nobody can pay with them. */
const cards = [
  '4242 4242 4242 4242',
  '4000 0566 5566 5556',
  '5555555555554444',
  '5200-8282-8282-8210',
  '378282246310005',
  '6011 1111 1111 1117',
] as const
