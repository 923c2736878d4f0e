import { createHmac, randomUUID, sign } from 'node:crypto'
import { b64, goodHeader, mint, signed, type Mint } from '../../test/support/tokens.ts'

/** What tokens are minted with: the keys of two trusted issuers, and claims nobody could object to. */
export interface Forge {
  readonly own: Mint
  readonly other: Mint
  /** The issuer and audience that the gateway believes in. */
  readonly issuer: string
  readonly otherIssuer: string
  readonly audience: string
  claims(): Record<string, unknown>
}

/** A token with changes, properly signed. */
export function tokenOf(forge: Forge, claims: object = {}, header: object = {}): string {
  return signed(forge.own, { ...goodHeader(forge.own), ...header }, { ...forge.claims(), jti: randomUUID(), ...claims })
}

type Tokens = (forge: Forge) => readonly string[]

const nowSec = (): number => Math.floor(Date.now() / 1000)

const each =
  (name: string, values: readonly unknown[]): Tokens =>
  (forge) =>
    values.map((value) => tokenOf(forge, { [name]: value }))

const eachHeader =
  (name: string, values: readonly unknown[]): Tokens =>
  (forge) =>
    values.map((value) => tokenOf(forge, {}, { [name]: value }))

/** Forged tokens by operator; every one of them must be refused, whichever algorithm its issuer signs with. */
export const forgeries: Readonly<Record<string, Tokens>> = {
  'alg-none': (forge) => {
    const [, body, signature] = tokenOf(forge).split('.')
    const heads = ['none', 'None', 'NONE', 'nOnE', ''].map((alg) => b64({ ...goodHeader(forge.own), alg }))
    return heads.flatMap((head) => [`${head}.${body}.`, `${head}.${body}`, `${head}.${body}.${signature}`])
  },
  'alg-hs-with-rs-public-key': (forge) => {
    const { publicKey } = forge.own
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
    const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }))
    const secrets = [pem, pem.trimEnd(), publicKey.export({ type: 'spki', format: 'der' }), jwk, `${jwk}\n`]
    const text = `${b64({ ...goodHeader(forge.own), alg: 'HS256' })}.${b64(forge.claims())}`
    return secrets.map((secret) => `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`)
  },
  'alg-swap-same-key': (forge) => {
    const others = ['EdDSA', 'Ed25519', 'Ed448', 'ES256', 'ES384', 'PS256', 'RS256', 'es256', 'HS256']
    const family = forge.own.alg === 'EdDSA' || forge.own.alg === 'Ed25519' ? ['EdDSA', 'Ed25519'] : [forge.own.alg]
    return others.filter((alg) => !family.includes(alg as never)).map((alg) => tokenOf(forge, {}, { alg }))
  },
  'jwk-header': (forge) => {
    const thief = mint(forge.own.alg, forge.own.kid)
    const jwk = thief.publicKey.export({ format: 'jwk' })
    return [{ jwk }, { jwk, kid: undefined }].map((extra) => byThief(forge, thief, extra))
  },
  'jku-x5u': (forge) => {
    const thief = mint(forge.own.alg, forge.own.kid)
    const urls = ['https://attacker.example/keys', 'http://169.254.169.254/latest', 'file:///etc/passwd']
    return urls.flatMap((url) => [byThief(forge, thief, { jku: url }), byThief(forge, thief, { x5u: url })])
  },
  x5c: (forge) => {
    const thief = mint(forge.own.alg, forge.own.kid)
    const chain = thief.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
    return [byThief(forge, thief, { x5c: [chain] }), byThief(forge, thief, { x5c: [chain], kid: undefined })]
  },
  'kid-path': eachHeader('kid', [
    '../../dev/null',
    '/etc/passwd',
    '%2e%2e',
    'a\0b',
    'x'.repeat(65536),
    '__proto__',
    'constructor',
    'toString',
    { kid: 1 },
    ['key'],
    5,
    null,
    true,
  ]),
  'kid-sqli-cmdi': eachHeader('kid', [
    "' OR 1=1 --",
    "x' UNION SELECT 'a",
    '$(id)',
    '`id`',
    '; cat /etc/passwd',
    '| id',
  ]),
  'crit-unknown': (forge) =>
    [{ crit: ['exp'] }, { crit: ['x'], x: 1 }, { crit: [] }, { crit: 'x' }, { crit: ['gone'] }].map((header) =>
      tokenOf(forge, {}, header),
    ),
  'b64-false': (forge) => [
    tokenOf(forge, {}, { b64: false }),
    tokenOf(forge, {}, { b64: false, crit: ['b64'] }),
    tokenOf(forge, {}, { b64: true, crit: ['b64'] }),
  ],
  'dup-header-keys': (forge) => {
    const head = JSON.stringify(goodHeader(forge.own))
    const body = JSON.stringify(forge.claims())
    const twice = (text: string, more: string) => [`{${more},${text.slice(1)}`, `${text.slice(0, -1)},${more}}`]
    return [...twice(head, `"alg":"${forge.own.alg}"`), ...twice(head, '"alg":"none"'), ...twice(head, '"kid":"other"')]
      .map((header) => signed(forge.own, header, body))
      .concat(twice(body, '"sub":"user:root"').map((claims) => signed(forge.own, head, claims)))
  },
  'noncanonical-b64': (forge) => {
    const [head = '', body = '', signature = ''] = tokenOf(forge).split('.')
    return [
      `${head}=.${body}.${signature}`,
      `${head}.${body}.${signature}==`,
      ` ${head}.${body}.${signature}`,
      `${head}.${body}.${signature}\n`,
      `${head}.${body} .${signature}`,
      `${head}.${body}.${nonCanonical(signature)}`,
      `${head}.${body}.${signature.replaceAll('-', '+').replaceAll('_', '/')}=`,
      `${head}.${body}.${signature}.`,
      `.${head}.${body}.${signature}`,
      `${head}..${body}.${signature}`,
      `${head}.${signature}`,
      `${head}.${body}.${signature}.${signature}`,
      JSON.stringify({ protected: head, payload: body, signature }),
    ]
  },
  psychic: (forge) => {
    const text = `${b64(goodHeader(forge.own))}.${b64(forge.claims())}`
    const zeroes = [0, 64, 63, 96, 256].map((size) => Buffer.alloc(size))
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
    const der = forge.own.alg.startsWith('ES') ? [sign('sha256', Buffer.from(text), forge.own.privateKey)] : []
    const odd = [
      ...zeroes,
      Buffer.alloc(64, 255),
      Buffer.concat([order, order]),
      Buffer.concat([order, Buffer.alloc(32, 1)]),
    ]
    return [...odd, ...der].map((signature) => `${text}.${signature.toString('base64url')}`)
  },
  'typ-confusion': (forge) => [
    ...eachHeader('typ', ['JWT', 'id_token', 'logout+jwt', 'dpop+jwt', 'at+JWT', 'AT+JWT', undefined, '', 7])(forge),
    tokenOf(forge, {}, { cty: 'JWT' }),
  ],
  'jwe-as-jws': (forge) => [
    [b64({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2 ** 31, p2s: 'c2FsdA' }), 'YQ', 'Yg', 'Yw', 'ZA'].join('.'),
    [b64({ alg: 'dir', enc: 'A128GCM' }), ...tokenOf(forge).split('.').slice(1)].join('.'),
    tokenOf(forge, {}, { zip: 'DEF' }),
    tokenOf(forge, {}, { enc: 'A128GCM' }),
  ],
  iss: (forge) => {
    const { issuer, other, otherIssuer } = forge
    const names = [
      `${issuer}/`,
      issuer.toUpperCase(),
      issuer.replace('i', 'і'),
      [issuer],
      undefined,
      null,
      'https://nobody.example',
    ]
    const crossed = signed(other, goodHeader(other), forge.claims())
    return [...each('iss', names)(forge), tokenOf(forge, { iss: otherIssuer }), crossed]
  },
  aud: (forge) => {
    const { audience: aud } = forge
    const values = [
      undefined,
      'https://other.example',
      aud.slice(0, -1),
      `${aud}x`,
      `${aud}/`,
      [aud],
      [aud, 'x'],
      [],
      [[aud]],
      {},
    ]
    return each('aud', values)(forge)
  },
  exp: (forge) => {
    const now = nowSec()
    const past = [undefined, now, now - 1, now - 61, 1e20, -1, `${now + 60}`, now + 0.5, null, 'NaN', true]
    return each('exp', [...past, now + 602, Number.MAX_SAFE_INTEGER])(forge)
  },
  'nbf-iat': (forge) => {
    const now = nowSec()
    const wrong = [
      { nbf: now + 70 },
      { nbf: now + 600 },
      { iat: now + 70 },
      { iat: undefined },
      { iat: now - 10_000, nbf: now - 10_000, exp: now + 60 },
      { nbf: '0' },
    ]
    return wrong.map((claims) => tokenOf(forge, claims))
  },
  jti: each('jti', [undefined, '', 7, null, {}, ['x'], 'x'.repeat(257), 'x'.repeat(1_000_000)]),
  'sub-cert-binding': (forge) => {
    const thumb = 'A'.repeat(43)
    const bindings = [
      { 'x5t#S256': thumb },
      { 'x5t#S256': thumb.toLowerCase() },
      { 'x5t#S256': 'short' },
      { jkt: thumb },
      {},
      'x',
      [],
    ]
    return each('cnf', bindings)(forge)
  },
  'cross-tenant': each('tenant', [undefined, '', ['acme'], 'acme globex', 'аcme', '../globex', 'acme,globex', null]),
  'scope-widening': each('scope', [
    ['orders.read'],
    'orders.read  admin',
    ' orders.read',
    'orders.read ',
    'orders.read\xA0admin',
    'admin\n',
    'a	b',
    '*',
    'orders.*',
    'orders.read:*',
    'a"b',
    5,
    {},
  ]),
}

function byThief(forge: Forge, thief: Mint, header: object): string {
  return signed(thief, { ...goodHeader(forge.own), ...header }, { ...forge.claims(), jti: randomUUID() })
}

/** The same bytes in another spelling: the bits after the last byte are not zero. Where no bit is left, a character more. */
function nonCanonical(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const neighbour = alphabet[alphabet.indexOf(part.at(-1) ?? 'A') ^ 1] ?? ''
  return part.length % 4 === 0 ? `${part}A` : part.slice(0, -1) + neighbour
}
