import type { Kind } from './finding.ts'

/** What a member's name says about its value. */
export interface KeyFacts {
  /** The name as field rules compare it: lower case, without `_`, `-`, dots and spaces. */
  readonly name: string
  readonly kind?: Kind
  /** The name of an id, a digest, a date or an amount: weak evidence in the value counts for nothing. */
  readonly isId: boolean
}

/** Names that give a kind alone, or as the last one to three words of a longer name (`billing_email`, `stripeApiKey`). */
const suffixes: Readonly<Record<Kind, string>> = {
  email: 'email emailaddress mailaddress emails emailaddresses',
  phone:
    'phone phonenumber telephone telephonenumber mobile mobilenumber mobilephone cellphone fax faxnumber tel msisdn phones phonenumbers',
  ssn: 'ssn socialsecuritynumber ssnumber itin',
  date_of_birth: 'dob dateofbirth birthdate birthday birthdate',
  iban: 'iban ibannumber',
  card: 'cardnumber creditcardnumber ccnumber ccnum primaryaccountnumber creditcard debitcard',
  national_id: 'nationalid nationalidnumber aadhaar aadhaarnumber nhsnumber pesel',
  password: 'password passwd passphrase passcode pwd userpassword',
  token:
    'accesstoken refreshtoken idtoken authtoken bearertoken sessiontoken apitoken securitytoken bottoken clientsecret apisecret appsecret sharedsecret secretkey secretaccesskey apikey accesskey encryptionkey signingkey accountkey authorization webhooksecret personalaccesstoken',
  private_key: 'privatekey',
  person:
    'firstname lastname fullname givenname familyname surname middlename maidenname customername patientname contactname employeename cardholder cardholdername passengername',
  address:
    'streetaddress homeaddress billingaddress shippingaddress postaladdress mailingaddress address1 address2 addressline1 addressline2 street street1 street2',
}

/** Names that give a kind only when they are the whole name: `page_token` and `ip_address` mean something else. */
const exact: Readonly<Record<Kind, string>> = {
  email: 'mail',
  phone: 'cell',
  card: 'pan',
  password: 'pass pw secretword',
  token: 'token secret auth cookie setcookie credential credentials bearer xapikey proxyauthorization',
  person: 'lname fname',
  address: 'address',
}

const idWords = new Set(
  'id ids uid uuid guid sha sha1 sha256 hash digest etag commit sku ref reference version revision timestamp ts time date cursor trace span offset amount price total count quantity qty size zip lat lon lng latitude longitude ean upc isbn serial order invoice tracking code build number no'.split(
    ' ',
  ),
)

const bySuffix = lookup(suffixes)
const byName = lookup(exact)

function lookup(table: Readonly<Record<Kind, string>>): ReadonlyMap<string, Kind> {
  return new Map(
    Object.entries(table).flatMap(([kind, names]) => names.split(' ').map((name) => [name, kind] as const)),
  )
}

/** Names repeat in every row of a result, so they are worked out once. Emptied when full: the outside chooses them. */
const known = new Map<string, KeyFacts>()
const knownMax = 4096
/** Longer names are not names. */
const nameSizeMax = 64

export function keyFacts(key: string): KeyFacts {
  const cached = known.get(key)
  if (cached !== undefined) return cached
  const facts = factsOfKey(key.length > nameSizeMax ? key.slice(-nameSizeMax) : key)
  if (key.length > nameSizeMax) return { ...facts, name: key }
  if (known.size >= knownMax) known.clear()
  known.set(key, facts)
  return facts
}

function factsOfKey(key: string): KeyFacts {
  const words = wordsOf(key)
  const name = words.join('')
  const kind = byName.get(name) ?? kindBySuffix(words)
  const isId = kind === undefined && idWords.has(words.at(-1) ?? '')
  return { name, isId, ...(kind !== undefined && { kind }) }
}

function kindBySuffix(words: readonly string[]): Kind | undefined {
  for (let count = Math.min(3, words.length); count > 0; count--) {
    const kind = bySuffix.get(words.slice(-count).join(''))
    if (kind !== undefined) return kind
  }
  return bySuffix.get(words.join(''))
}

/** `billingEmail`, `billing_email`, `Billing-Email` and `billing.email` are the same two words. */
function wordsOf(key: string): readonly string[] {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[\s_.\-/]+/)
    .filter((word) => word !== '')
}
