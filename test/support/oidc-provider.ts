import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Authority } from './certificates.ts'
import { send } from './wire.ts'

const tools = fileURLToPath(new URL('../../.tools/', import.meta.url))
const entry = join(tools, 'oidc', 'node_modules', 'oidc-provider', 'lib', 'index.js')

/** Whether `node scripts/oidc.ts` has fetched the provider. */
export const oidcProviderFound: boolean = existsSync(entry)

/** What an agent asks its issuer for. */
export interface Asked {
  /** One of `clients`; `copilot` unless given. */
  readonly client?: Client
  readonly scope?: string
  /** RFC 8707; `undefined` names none. */
  readonly resource?: string | undefined
  /** A DPoP proof for the token endpoint. */
  readonly proof?: string
  /** Whom to show. */
  readonly tls?: SecureContextOptions
}

/** A running OpenID provider. */
export interface OidcProvider extends AsyncDisposable {
  readonly issuer: string
  readonly jwks: string
  readonly tokenEndpoint: string
  /** An access token by client credentials. Rejects with what the provider said instead. */
  token(asked?: Asked): Promise<string>
}

/** Algorithms of the provider's keys, the first of which `copilot` gets. */
export const providerAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const
type ProviderAlgorithm = (typeof providerAlgorithms)[number]

/** Clients differ in one thing each: the algorithm of their tokens, or what is wrong with them. */
export type Client = ProviderAlgorithm | 'copilot' | 'bound' | 'homeless' | 'lasting' | 'listed' | 'untyped'
const clients: readonly Client[] = [
  ...providerAlgorithms,
  'copilot',
  'bound',
  'homeless',
  'lasting',
  'listed',
  'untyped',
]

/** Where tokens of the guide are for. */
export const audience = 'urn:example:gateway'

const secret = 'a-secret-of-an-agent-for-tests'

/** What of the provider is used here: it brings no types. */
interface Provider {
  callback(): RequestListener
}
interface Token {
  readonly clientId: string
}
interface Parts {
  header?: Record<string, unknown>
  payload: Record<string, unknown>
}

const keyOf = (alg: ProviderAlgorithm): object => {
  const { privateKey } =
    alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : alg === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `key-${alg}` }
}

const isAlgorithm = (client: string): client is ProviderAlgorithm => clients.slice(0, 4).includes(client as Client)

/** As `docs/identity.md` says that this provider is to be set. */
const settings = () => ({
  jwks: { keys: providerAlgorithms.map(keyOf) },
  scopes: ['orders.read', 'flags.write:staging'],
  clients: clients.map((client_id) => ({
    client_id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    tls_client_certificate_bound_access_tokens: client_id === 'bound',
  })),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: ({ req }: { req: { socket: TLSSocket } }) => req.socket.getPeerX509Certificate(),
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (_context: unknown, resource: string, { clientId }: Token) => ({
        scope: 'orders.read flags.write:staging',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: clientId === 'lasting' ? 3600 : 300,
        jwt: { sign: { alg: isAlgorithm(clientId) ? clientId : 'ES256' } },
      }),
    },
  },
  formats: {
    customizers: {
      jwt: (_context: unknown, { clientId }: Token, parts: Parts) => {
        if (clientId === 'untyped') parts.header = { typ: 'JWT' }
        if (clientId === 'listed') parts.payload['aud'] = [parts.payload['aud']]
      },
    },
  },
  extraTokenClaims: (_context: unknown, { clientId }: Token) => (clientId === 'homeless' ? {} : { tenant: 'acme' }),
})

/** Starts the provider over TLS, with a certificate of this authority. */
export async function oidcProvider(trusted: Authority): Promise<OidcProvider> {
  const { Provider } = (await import(pathToFileURL(entry).href)) as {
    Provider: new (issuer: string, settings: object) => Provider
  }
  let answer: RequestListener = () => undefined
  const server = createServer(
    { ...trusted.issue('localhost'), requestCert: true, rejectUnauthorized: false },
    (request, response) => answer(request, response),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `https://localhost:${(server.address() as AddressInfo).port}`
  answer = new Provider(issuer, settings()).callback()
  const tokenEndpoint = `${issuer}/token`
  return {
    issuer,
    tokenEndpoint,
    jwks: `${issuer}/jwks`,
    async token({ client = 'copilot', scope = 'orders.read', proof, tls, ...asked }: Asked = {}) {
      const resource = 'resource' in asked ? asked.resource : audience
      const form = { grant_type: 'client_credentials', scope, ...(resource !== undefined && { resource }) }
      const answered = await send(tokenEndpoint, {
        headers: {
          authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
          ...(proof !== undefined && { dpop: proof }),
        },
        body: new URLSearchParams(form).toString(),
        tls: { ca: trusted.cert, ...tls },
      })
      const { access_token } = JSON.parse(answered.text) as { access_token?: string }
      if (access_token === undefined) throw new Error(answered.text)
      return access_token
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
