import type { Random } from './random.ts'

export interface Person {
  readonly name: string
  readonly email: string
  readonly phone: string
  readonly country: string
}

/** Countries by region, the common ones more than once. */
const countries: Readonly<Record<string, readonly string[]>> = {
  'us-east': ['US', 'US', 'US', 'US', 'CA', 'AU'],
  'eu-west': ['DE', 'DE', 'FR', 'FR', 'SE', 'IE'],
}

const given = `
  Amara, Aoife, Åsa, Benoît, Carlos, Chloé, Dagný, Daniel, Elif, Emeka, Fatima, Giulia, Grace, Hannah, Hiroshi,
  Ingrid, Ivan, Jamal, Jörg, José, Katarzyna, Kwame, Léa, Liam, Lucía, Łukasz, Mai, Małgorzata, Mateo, Mehmet,
  Mei, Nadia, Niamh, Noor, Oksana, Olivia, Omar, Paolo, Priya, Rahul, Renée, Rosa, Saoirse, Sebastián, Siobhán,
  Sofía, Søren, Tariq, Tomáš, Ursula, Vivek, Wei, Yara, Yuki, Zoë, Zsófia`
  .split(',')
  .map((name) => name.trim())

const family = `
  Abdi, Adeyemi, Ahmed, Andersson, Arslan, Bauer, Beaumont, Björk, Brown, Byrne, Castillo, Chen, Cohen, D'Angelo,
  Dąbrowska, Delacroix, Demir, Diallo, Eriksen, Fernández, Fitzgerald, García, González, Großmann, Haddad,
  Horváth, Ibrahim, Ivanova, Jensen, Johnson, Kaya, Kim, Kowalski, Lefèvre, Lindqvist, López, MacLeod, Martin,
  Mbeki, Müller, Nakamura, Nguyen, O'Connor, Öztürk, Okafor, Pérez, Petrov, Popescu, Quiñones, Ramírez, Rossi,
  Saarinen, Schäfer, Sharma, Silva, Smith, Sørensen, Tanaka, Thompson, Tremblay, van der Berg, Varga, Wagner,
  Williams, Wójcik, Yilmaz`
  .split(',')
  .map((name) => name.trim())

/** Names that never belong to anyone (RFC 2606, RFC 6761). */
const mailHosts = ['example.com', 'example.org', 'example.net', 'mail.example.com', 'post.example.org', 'inbox.example']

/** Makes up a person who lives in a country of the region. */
export function person(random: Random, region: string): Person {
  const first = random.pick(given)
  const last = random.pick(family)
  const country = random.pick(countries[region] ?? ['US'])
  return { name: `${first} ${last}`, email: email(random, first, last), phone: phone(random, country), country }
}

function email(random: Random, first: string, last: string): string {
  const [a, b] = [plain(first), plain(last)]
  const local = random.pick([
    `${a}.${b}`,
    `${a[0] ?? a}${b}`,
    `${b}.${a}`,
    `${a}_${b}${random.int(1, 99)}`,
    `${a}+shop`,
  ])
  return `${local}@${random.pick(mailHosts)}`
}

/** Lower-case ASCII letters, as mailbox names are mostly spelt. */
function plain(name: string): string {
  const spelt = name.replace(/ß/g, 'ss').replace(/[øØ]/g, 'o').replace(/[łŁ]/g, 'l')
  return spelt
    .normalize('NFD')
    .toLowerCase()
    .replace(/[^a-z]/g, '')
}

/** Numbers that the regulators set aside for fiction (NANPA 555-01xx, ACMA, Bundesnetzagentur, Arcep, PTS, ComReg). */
function phone(random: Random, country: string): string {
  const digits = (count: number) => String(random.int(0, 10 ** count - 1)).padStart(count, '0')
  const area = random.pick(['212', '305', '415', '512', '617', '773'])
  if (country === 'DE')
    return random.pick([`+49 30 23125 ${digits(3)}`, `+49 89 99998 ${digits(3)}`, `030 23125${digits(3)}`])
  if (country === 'FR')
    return random.pick([`+33 1 99 00 ${digits(2)} ${digits(2)}`, `+33 6 39 98 ${digits(2)} ${digits(2)}`])
  if (country === 'SE') return `+46 8 465 004 ${digits(2)}`
  if (country === 'IE') return `+353 20 91${digits(1)} ${digits(4)}`
  if (country === 'AU') return `+61 2 5550 ${digits(4)}`
  return random.pick([`+1-${area}-555-01${digits(2)}`, `(${area}) 555-01${digits(2)}`, `+1 ${area} 555 01${digits(2)}`])
}
