/** Made-up users of the flags. A test or the demo may change its fields at any time; what was counted stays. */
export interface Traffic {
  /** Requests a second that ask for any one flag. */
  requestsPerS: number
  /** Share of them that fail whatever the flag says. */
  errorRate: number
  /** Flags whose new code fails, by name: the share of requests that fail once more than `abovePct` percent see it. */
  broken: Readonly<Record<string, { readonly abovePct: number; readonly errorRate: number }>>
}

export const quietTraffic: Traffic = { requestsPerS: 20, errorRate: 0.002, broken: {} }

/** What happened to one flag while its percentage stood. */
interface Stretch {
  readonly fromMs: number
  toMs: number
  requests: number
  errors: number
}

interface Counted {
  readonly requests: number
  readonly errors: number
}

export interface TrafficLog {
  /** Counts everything up to now, at the percentage the flag stood at. Call it before the percentage changes. */
  settle(key: string, name: string, rolloutPct: number, nowMs: number): void
  /** What was counted in the last `windowMs`. */
  counted(key: string, windowMs: number, nowMs: number): Counted
}

const keptMs = 3_600_000
const flagsMax = 10_000

/** Counts the requests and errors of each flag, as if its users were there. Knows the last hour. */
export function trafficLog(traffic: Traffic, startMs: number): TrafficLog {
  const stretches = new Map<string, Stretch[]>()

  function settle(key: string, name: string, rolloutPct: number, nowMs: number): void {
    const list = stretches.get(key) ?? []
    const fromMs = list.at(-1)?.toMs ?? startMs
    if (nowMs <= fromMs) return
    const requests = ((nowMs - fromMs) / 1000) * traffic.requestsPerS
    const fault = Object.hasOwn(traffic.broken, name) ? traffic.broken[name] : undefined
    const rate = fault && rolloutPct > fault.abovePct ? Math.max(fault.errorRate, traffic.errorRate) : traffic.errorRate
    list.push({ fromMs, toMs: nowMs, requests, errors: requests * rate })
    stretches.set(
      key,
      list.filter(({ toMs }) => toMs > nowMs - keptMs),
    )
    if (stretches.size > flagsMax) stretches.delete(stretches.keys().next().value ?? '')
  }

  function counted(key: string, windowMs: number, nowMs: number): Counted {
    const sum = { requests: 0, errors: 0 }
    for (const { fromMs, toMs, requests, errors } of stretches.get(key) ?? []) {
      const share = Math.max(0, Math.min(toMs, nowMs) - Math.max(fromMs, nowMs - windowMs)) / (toMs - fromMs)
      sum.requests += requests * share
      sum.errors += errors * share
    }
    return { requests: Math.round(sum.requests), errors: Math.min(Math.round(sum.requests), Math.round(sum.errors)) }
  }

  return { settle, counted }
}
