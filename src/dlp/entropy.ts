/** Shannon entropy of a text's characters, in bits per character. Reads at most 256 of them. */
export function entropy(text: string): number {
  const size = Math.min(text.length, 256)
  const counts = new Map<string, number>()
  for (let i = 0; i < size; i++) counts.set(text.charAt(i), (counts.get(text.charAt(i)) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / size) * Math.log2(count / size)
  return bits
}

const placeholderWords =
  /^(?:x+|\*+|\.+|-+|_+|0+|none|null|nil|true|false|undefined|string|str|password|passwd|pass|pwd|secret|token|key|value|changeme|change[-_]me|redacted|hidden|masked|example|required|optional|default|empty|your[-_ ]?.*|my[-_]?(?:password|secret|token|key)|.*placeholder.*|<.*>?|\$.*|\{.*|%[sd(].*|\[.*|process\.env.*|os\.(?:environ|getenv).*|env\..*)$/i

/** True for what documentation writes where a secret would stand. Bounded: longer texts are no placeholders. */
export function isPlaceholder(text: string): boolean {
  return text.length <= 128 && placeholderWords.test(text)
}
