import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import { certificateFacts, type CertificateFacts, type CertificateLimits } from './tls-certificate.ts'

/** PEM texts as they were read. */
export interface PairTexts {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
  readonly issuedBy?: string
}

export interface PairRules {
  /** What the certificate is shown for. */
  readonly use: 'server' | 'client'
  readonly nowMs: number
  readonly limits: CertificateLimits
}

/** Texts that belong together and may be used now, or everything that is wrong with them, one sentence each. */
export type Judged =
  | {
      readonly ok: true
      readonly context: Pick<SecureContextOptions, 'cert' | 'key' | 'ca'>
      /** Of the own certificate; absent where there is none. */
      readonly facts?: CertificateFacts
    }
  | { readonly ok: false; readonly why: readonly string[]; readonly facts?: CertificateFacts }

/** Longest chain, and most authorities in one file. */
const chainMax = 10
const authoritiesMax = 500

/**
 * Judges a certificate, its key and its authorities before anybody has to rely on them: each can be read, the key belongs
 * to the certificate, the chain is one, all are valid now. Repeats nothing of a key.
 */
export function judgePair(texts: PairTexts, rules: PairRules): Judged {
  const why: string[] = []
  const own = texts.cert === undefined ? undefined : judgeOwn(texts, rules, why)
  if (texts.ca !== undefined) judgeAuthorities('ca', texts.ca, rules, why)
  const { cert, key, ca } = texts
  const facts = own && { facts: own }
  if (why.length > 0) return { ok: false, why, ...facts }
  const context = { ...(cert !== undefined && { cert, key }), ...(ca !== undefined && { ca }) }
  return { ok: true, context, ...facts }
}

function judgeOwn(
  { cert = '', key = '', issuedBy }: PairTexts,
  rules: PairRules,
  why: string[],
): CertificateFacts | undefined {
  const chain = certificatesIn('cert', cert, chainMax, why)
  const [leaf] = chain
  if (!leaf) return undefined
  for (const [index, one] of chain.entries()) {
    const what = index === 0 ? 'The certificate' : `Certificate ${index + 1} of the chain`
    why.push(...certificateFacts(one, rules.nowMs, rules.limits).problems.map((problem) => `${what}: ${problem}`))
  }
  if (!serves(leaf, rules.use)) why.push(`The certificate is not for a ${rules.use} (extended key usage).`)
  const secret = keyIn(key, why)
  if (secret && !leaf.checkPrivateKey(secret)) why.push('The key does not belong to the certificate.')
  const broken = chain.findIndex((one, index) => index > 0 && !issued(chain[index - 1] as X509Certificate, one))
  if (broken > 0) why.push(`The chain is broken: certificate ${broken + 1} is not the authority of the one before it.`)
  if (issuedBy !== undefined) judgeOrigin(chain, issuedBy, rules, why)
  return certificateFacts(leaf, rules.nowMs, rules.limits)
}

function judgeOrigin(chain: readonly X509Certificate[], issuedBy: string, rules: PairRules, why: string[]): void {
  const authorities = judgeAuthorities('issuedBy', issuedBy, rules, why)
  const last = chain.at(-1) as X509Certificate
  const known = authorities.some((one) => one.fingerprint256 === last.fingerprint256 || issued(last, one))
  if (!known) why.push('The certificate comes from none of the authorities in issuedBy.')
}

/** At least one must be usable now; an old one beside it does no harm. */
function judgeAuthorities(what: string, text: string, { nowMs }: PairRules, why: string[]): readonly X509Certificate[] {
  const all = certificatesIn(what, text, authoritiesMax, why)
  const authorities = all.filter(({ ca }) => ca)
  if (all.length > authorities.length) why.push(`A certificate in ${what} is no authority's.`)
  const usable = authorities.filter((one) => certificateFacts(one, nowMs).problems.length === 0)
  if (all.length > 0 && usable.length === 0) why.push(`No authority in ${what} is valid now.`)
  return usable
}

function issued(one: X509Certificate, by: X509Certificate): boolean {
  return by.ca && one.checkIssued(by) && one.verify(by.publicKey)
}

const purposes = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const
const anyPurpose = '2.5.29.37.0'

/** A certificate that names no purpose is for all. */
function serves({ keyUsage }: X509Certificate, use: 'server' | 'client'): boolean {
  const named = keyUsage as readonly string[] | undefined
  return named === undefined || named.includes(purposes[use]) || named.includes(anyPurpose)
}

function certificatesIn(what: string, text: string, max: number, why: string[]): readonly X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  const begun = text.split('-----BEGIN CERTIFICATE-----').length - 1
  if (blocks.length === 0) why.push(`There is no PEM certificate in ${what}.`)
  if (blocks.length < begun) why.push(`The last certificate in ${what} is cut short.`)
  if (blocks.length > max) why.push(`There are more than ${max} certificates in ${what}.`)
  return blocks.slice(0, max).flatMap((block) => {
    try {
      return [new X509Certificate(block)]
    } catch {
      why.push(`A certificate in ${what} cannot be parsed.`)
      return []
    }
  })
}

function keyIn(text: string, why: string[]): KeyObject | undefined {
  try {
    return createPrivateKey(text)
  } catch {
    const encrypted = /-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)
    why.push(encrypted ? 'The key is encrypted; store it without a passphrase.' : 'There is no PEM key in key.')
    return undefined
  }
}
