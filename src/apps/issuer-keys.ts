import { readFile } from 'node:fs/promises'
import { issuerKeysFile } from '../adapters/issuer-keys-file.ts'
import { issuerKeysUrl } from '../adapters/issuer-keys-url.ts'
import { isKeysUrl, type AuthSection } from '../config/auth-section.ts'
import type { Clock } from '../ports/clock.ts'
import type { IssuerKeys } from '../ports/issuer-keys.ts'

type Issuer = AuthSection['issuers'][number]

/** The keys of an issuer, from a file or from its address. Rejects when a file cannot be used; an address is asked in the background, and its authorities are read again each time. */
export async function openIssuerKeys(
  { jwks, algorithms, ca }: Issuer,
  clock: Clock,
  fault: (error: unknown) => void,
): Promise<IssuerKeys & { readonly close?: () => Promise<void> }> {
  if (!isKeysUrl(jwks)) return issuerKeysFile({ file: jwks, algorithms, clock, fault })
  const url = { url: jwks, algorithms, clock, fault }
  if (ca === undefined) return issuerKeysUrl(url)
  const authorities = () => readFile(ca, 'utf8')
  await authorities()
  return issuerKeysUrl({ ...url, ca: authorities })
}
