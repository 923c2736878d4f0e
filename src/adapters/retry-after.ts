/** Longest wait that is believed, milliseconds. */
const waitMaxMs = 60_000

/** How long the other side asks to be left alone (RFC 9110 §10.2.3), at most a minute; nothing when it does not say or makes no sense. */
export function retryAfterOf(
  header: string | readonly string[] | undefined,
  nowMs: number,
): { readonly retryAfterMs?: number } {
  if (typeof header !== 'string') return {}
  const ms = /^[0-9]{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isFinite(ms) ? { retryAfterMs: Math.min(waitMaxMs, Math.max(0, ms)) } : {}
}
