import { Agent, request } from 'undici'
import { keySet } from '../identity/keyset.ts'
import type { Clock } from '../ports/clock.ts'
import type { Algorithm, IssuerKey, IssuerKeys, KeysTrouble } from '../ports/issuer-keys.ts'
import { messageLimits, parseStrict } from '../server/strict-json.ts'

export interface IssuerKeysUrlOptions {
  /** Where the JSON Web Key Set (RFC 7517) is: this address, and no other it may name. */
  readonly url: string
  /** What the issuer signs with; keys for anything else are passed over. */
  readonly algorithms: readonly Algorithm[]
  /** Gives the authorities that the server's certificate must come from, PEM, for each fetch; those of the system unless given. */
  readonly ca?: () => Promise<string>
  readonly clock: Clock
  /** Told when fetching begins to fail, and when it fails for another reason. */
  readonly fault: (error: unknown) => void
  /** Longest one fetch may take, milliseconds; 5,000 unless given. */
  readonly timeoutMs?: number
}

/** Keys of an issuer, fetched; none before the first fetch has ended well. */
export interface FetchedIssuerKeys extends IssuerKeys {
  trouble(): KeysTrouble | undefined
  /** Ends a fetch that is under way. */
  close(): Promise<void>
}

const secondNs = 1_000_000_000n
/** Between the beginnings of two fetches, however many tokens name keys that nobody has. */
const coolDownNs = 30n * secondNs
/** How long keys count as fresh: what the answer says, within bounds. */
const freshS = { min: 60, max: 600, otherwise: 300 }
/** How long the last good keys are used while fetching fails. */
const keptNs = 3600n * secondNs
const bytesMax = 256 * 1024

interface Fetched {
  readonly keys: readonly IssuerKey[]
  readonly freshNs: bigint
  readonly atNs: bigint
}

/**
 * An issuer's keys from its address. Opens at once and fetches in the background: an issuer that is down keeps nobody
 * waiting but its own callers. Keys are looked at again when they are no longer fresh; a token that names an unknown one
 * makes that happen at once, but at most every 30 s. While fetching fails the last good keys are used for an hour, and
 * then none. A redirect, more than 256 KiB and anything that is not one clear key set are failures. An empty set is none: it
 * withdraws every key.
 */
export function issuerKeysUrl(options: IssuerKeysUrlOptions): FetchedIssuerKeys {
  const { clock, fault } = options
  const closing = new AbortController()
  let held: Fetched | undefined
  let begunNs: bigint | undefined
  let failure: string | undefined
  let running: Promise<void> | undefined

  async function fetchOnce(): Promise<void> {
    try {
      const { keys, maxAgeS } = await fetched(options, closing.signal)
      const freshNs = BigInt(Math.min(Math.max(maxAgeS ?? freshS.otherwise, freshS.min), freshS.max)) * secondNs
      held = { keys, freshNs, atNs: clock.monoNs() }
      failure = undefined
    } catch (error) {
      if (closing.signal.aborted) return
      const why = reasonOf(error)
      if (why !== failure) fault(new Error(`The issuer keys at ${options.url} cannot be fetched: ${why}.`))
      failure = why
    }
  }

  /** The fetch that is under way, or a new one where one may begin. */
  function look(): Promise<void> | undefined {
    if (running || closing.signal.aborted) return running
    if (begunNs !== undefined && clock.monoNs() - begunNs < coolDownNs) return undefined
    begunNs = clock.monoNs()
    running = fetchOnce().finally(() => (running = undefined))
    return running
  }

  const isOlder = (ageNs: bigint): boolean => held === undefined || clock.monoNs() - held.atNs >= ageNs
  const inForce = (): readonly IssuerKey[] => (held && !isOlder(keptNs) ? held.keys : [])
  /** A key without a name could be any. */
  const isUnknown = (kid: string | undefined): boolean =>
    kid !== undefined && !inForce().some((key) => key.kid === undefined || key.kid === kid)

  void look()
  return {
    async keys(kid) {
      if (isOlder(keptNs) || isUnknown(kid)) await look()
      else if (held && isOlder(held.freshNs)) void look()
      return inForce()
    },
    trouble() {
      // A gateway that is not ready gets no call that would have them fetched.
      if (held === undefined || isOlder(held.freshNs)) void look()
      const { length } = inForce()
      const why = whyTroubled(failure, held, length)
      return why === undefined ? undefined : { why: `The issuer keys at ${options.url} ${why}.`, inForce: length > 0 }
    },
    async close() {
      closing.abort()
      await running
    },
  }
}

/** Keys that nobody has asked for in a long time are too old, and no trouble: whoever asks has them fetched. */
function whyTroubled(failure: string | undefined, held: Fetched | undefined, inForce: number): string | undefined {
  if (failure !== undefined)
    return `cannot be fetched (${failure}); ${inForce > 0 ? 'the last good ones are in use' : 'its tokens are refused'}`
  if (held === undefined) return 'have not come yet; its tokens are refused'
  return held.keys.length === 0 ? 'are none; its tokens are refused' : undefined
}

/** One fetch, on a connection of its own that takes no part in any other traffic. */
async function fetched({ url, algorithms, ca, timeoutMs = 5_000 }: IssuerKeysUrlOptions, closing: AbortSignal) {
  const agent = new Agent({
    connect: { timeout: timeoutMs, ...(ca && { ca: await ca() }) },
    connections: 1,
    pipelining: 0,
    maxResponseSize: bytesMax,
    maxHeaderSize: 16 * 1024,
    allowH2: false,
  })
  const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)])
  try {
    const { statusCode, headers, body } = await request(url, {
      dispatcher: agent,
      signal,
      headers: { accept: 'application/jwk-set+json, application/json', 'accept-encoding': 'identity' },
    })
    if (statusCode !== 200) throw new Unusable(`it answered ${statusCode}`)
    if (headers['content-encoding'] !== undefined) throw new Unusable('its answer is compressed')
    const keys = keysIn(new Uint8Array(await body.arrayBuffer()), algorithms)
    return { keys, maxAgeS: maxAgeOf(headers['cache-control']) }
  } finally {
    await agent.destroy()
  }
}

/** Why an answer is no key set; holds nothing of the answer. */
class Unusable extends Error {}

function keysIn(bytes: Uint8Array, algorithms: readonly Algorithm[]): readonly IssuerKey[] {
  const parsed = parseStrict(bytes, { ...messageLimits, sizeBytesMax: bytesMax })
  if (!parsed.ok) throw new Unusable(parsed.why.replace('the message', 'its answer'))
  const { keys } = (parsed.value ?? {}) as { readonly keys?: unknown }
  if (Array.isArray(keys) && keys.length === 0) return []
  return [...(keySet(parsed.value, algorithms).keys(undefined) as readonly IssuerKey[])]
}

/** RFC 9111 §5.2.2.1. What forbids storing asks for the shortest time we keep anything. */
function maxAgeOf(header: string | readonly string[] | undefined): number | undefined {
  const text = [header ?? []].flat().join(',').toLowerCase()
  if (/(^|[,\s])no-(store|cache)\b/.test(text)) return 0
  const [, seconds] = /(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])/.exec(text) ?? []
  return seconds === undefined ? undefined : Number(seconds)
}

/** One clause for operators. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the connection failed'
  if (error.name === 'TimeoutError') return 'it did not answer in time'
  if (error instanceof Unusable || error.name === 'KeySetError') return error.message.replace(/\.$/, '')
  const { code = error.name } = error as NodeJS.ErrnoException
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return 'its answer is larger than 256 KiB'
  return unknownAuthority.test(code) ? `${code}: \`ca\` beside \`jwks\` names a private authority` : code
}

/** What OpenSSL says of a certificate from an authority that the system does not know. */
const unknownAuthority = /^(UNABLE_TO_(GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED)/
