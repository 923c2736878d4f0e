/** Longest pattern, in UTF-16 units: it bounds the work per character of text. */
export const patternMax = 128

/**
 * Compiles an anchored pattern: `*` is any run, `?` any one character, `\*` and `\?` themselves; all else is literal and case-sensitive.
 * The test costs the same for every character of the text, whatever the pattern, so hostile text cannot make it slow:
 * it steps all positions of the pattern at once, one bit each (Baeza-Yates and Gonnet, "A new approach to text searching", 1992).
 */
export function globTest(pattern: string): (text: string) => boolean {
  const machine = machineOf(placesOf(pattern))
  return (text) => run(machine, text)
}

/** `undefined` stands for any one character (one UTF-16 unit). */
type Place = string | undefined

interface Places {
  readonly places: readonly Place[]
  /** Places before which any run may stand. */
  readonly stars: ReadonlySet<number>
}

function placesOf(pattern: string): Places {
  const places: Place[] = []
  const stars = new Set<number>()
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern.charAt(at)
    if (char === '*') stars.add(places.length)
    else if (char === '?') places.push(undefined)
    else if (char === '\\' && /[*?\\]/.test(pattern.charAt(at + 1))) places.push(pattern.charAt((at += 1)))
    else places.push(char)
  }
  return { places, stars }
}

/** Bit sets over the places, `words` words of 32 bits each. */
interface Machine {
  readonly words: number
  /** The places each class of characters may fill, one bit set after the other. Class 0 is every character the pattern does not name. */
  readonly fills: Uint32Array
  readonly classOf: (code: number) => number
  /** The states that any character leaves standing, because a star is there. */
  readonly loops: Uint32Array
  /** The state in which the whole pattern is matched. */
  readonly last: number
}

function machineOf({ places, stars }: Places): Machine {
  const words = (places.length >>> 5) + 1
  const chars = [...new Set(places.filter((place) => place !== undefined))]
  const fills = new Uint32Array((chars.length + 1) * words)
  const loops = new Uint32Array(words)
  for (const star of stars) mark(loops, star)
  for (let named = 0; named <= chars.length; named += 1) {
    const sets = fills.subarray(named * words, (named + 1) * words)
    places.forEach((place, at) => (place === undefined || place === chars[named - 1]) && mark(sets, at))
  }
  return { words, fills, loops, classOf: classes(chars), last: places.length }
}

/** A table for ASCII, because it is asked for every character of every text; a map for the rest. */
function classes(chars: readonly string[]): (code: number) => number {
  const table = new Uint16Array(128)
  const others = new Map<number, number>()
  for (const [at, char] of chars.entries()) {
    const code = char.charCodeAt(0)
    if (code < 128) table[code] = at + 1
    else others.set(code, at + 1)
  }
  return (code) => (code < 128 ? (table[code] ?? 0) : (others.get(code) ?? 0))
}

function run({ words, fills, classOf, loops, last }: Machine, text: string): boolean {
  const states = new Uint32Array(words)
  states[0] = 1
  const endless = marked(loops, last)
  for (let at = 0; at < text.length; at += 1) {
    if (!step(states, loops, fills, classOf(text.charCodeAt(at)) * words)) return false
    if (endless && marked(states, last)) return true
  }
  return marked(states, last)
}

/** Moves every state on by one character, whose places begin at `from`. False when no state is left. */
function step(states: Uint32Array, loops: Uint32Array, fills: Uint32Array, from: number): boolean {
  let carry = 0
  let alive = 0
  for (let word = 0; word < states.length; word += 1) {
    const state = states[word] ?? 0
    const moved = state & (fills[from + word] ?? 0)
    const next = (moved << 1) | carry | (state & (loops[word] ?? 0))
    states[word] = next
    carry = moved >>> 31
    alive |= next
  }
  return alive !== 0
}

function mark(bits: Uint32Array, at: number): void {
  bits[at >>> 5] = (bits[at >>> 5] ?? 0) | (1 << (at & 31))
}

function marked(bits: Uint32Array, at: number): boolean {
  return ((bits[at >>> 5] ?? 0) & (1 << (at & 31))) !== 0
}
