/** What a service counted over some time. */
export interface Tally {
  readonly requests: number
  readonly errors: number
}

/** When errors are a spike. */
export interface SpikeRule {
  /** Times the rate before the raise. */
  readonly factor: number
  /** An error rate that is never a spike, whatever the rate before was; 0 to 1. */
  readonly errorRateMin: number
  /** Fewer requests than these prove nothing, before or after. */
  readonly requestsMin: number
}

/** What some time's counts say. Rates from 0 to 1. */
export interface Judged {
  readonly kind: 'few' | 'fine' | 'spike'
  readonly rate: number
  /** The rate above which errors are a spike. */
  readonly limit: number
}

/** Standard deviations of the one-sided confidence: 99.9 %. */
const z = 3.0902

/**
 * Judges the counts since a raise against those before it. A spike is an error rate of which one can be 99.9 % sure that it
 * lies above the limit (Wilson's lower bound). The limit is `factor` times the rate before, but at least `errorRateMin`,
 * and at most halfway from the rate before to all requests failing. Too few requests before count as no errors before.
 */
export function judgeSpike(rule: SpikeRule, before: Tally | undefined, now: Tally): Judged {
  const usual = before !== undefined && before.requests >= rule.requestsMin ? rateOf(before) : 0
  const limit = Math.max(rule.errorRateMin, Math.min(rule.factor * usual, (1 + usual) / 2))
  const rate = rateOf(now)
  if (now.requests < rule.requestsMin) return { kind: 'few', rate, limit }
  return { kind: rate > limit && lowerBound(now) > limit ? 'spike' : 'fine', rate, limit }
}

const rateOf = ({ requests, errors }: Tally): number => (requests === 0 ? 0 : errors / requests)

/** Wilson's lower bound of a share: what the true rate is at least, with the confidence above. */
function lowerBound({ requests, errors }: Tally): number {
  const share = errors / requests
  const spread = z * Math.sqrt((share * (1 - share)) / requests + z ** 2 / (4 * requests ** 2))
  return (share + z ** 2 / (2 * requests) - spread) / (1 + z ** 2 / requests)
}

/** A rate from 0 to 1, as people read it. */
export const percent = (rate: number): string => `${(rate * 100).toFixed(1)} %`

/** The numbers of a spike, one sentence. */
export function spikeWords({ rate, limit }: Judged, before: Tally | undefined): string {
  const usual = before && before.requests > 0 ? percent(rateOf(before)) : 'unknown'
  return `${percent(rate)} of its requests failed after the raise; before it was ${usual}, and more than ${percent(limit)} is too many.`
}
