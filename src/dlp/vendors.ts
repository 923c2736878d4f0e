import type { Kind } from './finding.ts'

/** How a vendor's token begins, and how long what follows must be. */
export interface Vendor {
  readonly prefix: string
  readonly kind: Kind
  /** Characters after the prefix. */
  readonly restMin: number
  readonly restMax: number
}

/**
 * Prefixes that vendors document for their tokens, with the length of the rest. Matched at the beginning of a token only,
 * and only when the rest is random enough.
 */
const documented: readonly (readonly [prefixes: string, restMin: number, restMax: number, kind?: Kind])[] = [
  ['AKIA ASIA ABIA ACCA', 16, 16, 'aws_key'],
  ['ghp_ gho_ ghu_ ghs_ ghr_', 36, 255],
  ['github_pat_', 22, 255],
  ['glpat- gldt- glrt- glcbt- glptt- glft- glsoat-', 20, 64],
  ['xoxb- xoxp- xoxa- xoxr- xoxs- xoxe. xoxe- xapp-', 10, 255],
  ['sk_live_ sk_test_ rk_live_ rk_test_ sk_prod_ whsec_', 16, 255],
  ['AIza', 35, 35],
  ['GOCSPX-', 28, 28],
  ['ya29.', 20, 2048],
  ['sk-proj- sk-ant- sk-or- sk-svcacct- sk-admin-', 20, 255],
  ['sk-', 20, 255],
  ['hf_', 30, 64],
  ['gsk_', 40, 64],
  ['xai-', 20, 128],
  ['r8_', 37, 40],
  ['npm_', 36, 36],
  ['pypi-', 50, 512],
  ['dop_v1_ doo_v1_ dor_v1_', 64, 64],
  ['shpat_ shpca_ shppa_ shpss_', 32, 32],
  ['SG.', 30, 128],
  ['key-', 32, 32],
  ['sq0atp- sq0csp- EAAA', 22, 64],
  ['lin_api_ lin_oauth_', 32, 64],
  ['ntn_ secret_', 40, 64],
  ['figd_ figo_ figu_', 30, 64],
  ['dckr_pat_ dckr_oat_', 20, 64],
  ['hvs. hvb. hvr.', 24, 255],
  ['pul-', 40, 40],
  ['PMAK-', 24, 96],
  ['sntrys_ sntryu_', 40, 512],
  ['glc_ glsa_', 32, 512],
  ['nfp_', 36, 64],
  ['rubygems_', 48, 48],
  ['CCIPAT_', 40, 128],
  ['tfp_ tvly- fw_ pplx- sbp_ rpa_ ak_live_ odt_ phc_ phx_ lsv2_pt_ lsv2_sk_ atlasv1. ATATT3 dapi', 24, 255],
  ['pat- patt', 30, 96],
  ['EAACEdEose0cBA', 16, 255],
  ['AGE-SECRET-KEY-1', 58, 58],
  ['dp.pt. dp.st. dp.sa. dp.ct.', 40, 64],
  ['eu01xx us01xx FRRA', 32, 96],
  ['amzn.mws.', 36, 36],
]

const byFirstTwo = new Map<string, Vendor[]>()
for (const [prefixes, restMin, restMax, kind = 'token'] of documented)
  for (const prefix of prefixes.split(' ')) {
    const head = prefix.slice(0, 2)
    byFirstTwo.set(head, [...(byFirstTwo.get(head) ?? []), { prefix, kind, restMin, restMax }])
  }
for (const bucket of byFirstTwo.values()) bucket.sort((a, b) => b.prefix.length - a.prefix.length)

/** The vendor whose tokens begin like this; the longest prefix wins. */
export function vendorAt(text: string, start: number): Vendor | undefined {
  const bucket = byFirstTwo.get(text.slice(start, start + 2))
  return bucket?.find(({ prefix }) => text.startsWith(prefix, start))
}
