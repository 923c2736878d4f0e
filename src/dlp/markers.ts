import type { Json } from '../ports/json.ts'
import { isInvisible } from './confusables.ts'
import { isWord } from './letters.ts'
import type { Meter } from './meter.ts'
import { defaultLimits, meter } from './meter.ts'
import type { WordClass } from './phrases.ts'
import { classesOf, classNames, phrases } from './phrases.ts'
import { encodedRuns, runMin } from './runs.ts'

/** Signs that a text addresses the model rather than the reader. They inform policy and detection; alone they prove nothing. */
export interface Marks {
  /** Sum of the weights of the signals, each counted once. From 2 on worth a rule, from 3 on rarely wrong. */
  readonly score: number
  /** Names of the signals, sorted. */
  readonly signals: readonly string[]
  /** How many signals, when the score makes them count (2 or more); else 0. What `Provenance.learn` wants. */
  readonly markers: number
}

/** Looks at every string and member name of a value. Costs one pass; throws `ScanLimit` when the meter says so. */
export function marks(value: Json, work: Meter = meter(defaultLimits)): Marks {
  const weights = new Map<string, number>()
  for (const text of strings(value, work)) look(text, weights, work, '')
  const score = [...weights.values()].reduce((sum, weight) => sum + weight, 0)
  const signals = [...weights.keys()].sort()
  return { score, signals, markers: score >= 2 ? signals.length : 0 }
}

function* strings(value: Json, work: Meter, depth = 0): Generator<string> {
  work.node(depth)
  if (typeof value === 'string') {
    work.leaf(value.length)
    yield value
  } else if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) yield* strings(item, work, depth + 1)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      yield key
      yield* strings(item, work, depth + 1)
    }
  }
}

/** Shorter texts hold no instruction. */
const textMin = 10

function look(text: string, weights: Map<string, number>, work: Meter, prefix: string): void {
  if (text.length < textMin) return
  work.step(text.length * 2)
  const add = (signal: string, weight: number) =>
    void weights.set(prefix + signal, Math.max(weight, weights.get(prefix + signal) ?? 0))
  const tagged = hidden(text, add)
  structure(text, add)
  wording(text, add)
  if (prefix !== '') return
  if (tagged !== '') look(tagged, weights, work, 'tags:')
  if (text.length >= runMin) for (const run of encodedRuns(text, work)) look(run.text, weights, work, 'encoded:')
}

type Add = (signal: string, weight: number) => void

/** Characters nobody sees. Gives the text spelled in tag characters (U+E0020 to U+E007E). */
function hidden(text: string, add: Add): string {
  let tagged = ''
  let run = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 128) {
      run = 0
    } else if (code === 0xdb40) {
      const low = text.charCodeAt(i + 1) - 0xdc00
      if (low >= 0x20 && low <= 0x7e) tagged += String.fromCharCode(low)
    } else if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
      add('bidi', 1)
    } else if (isInvisible(code) && code !== 0xfe0f && ++run >= 4) {
      add('invisible', 2)
    }
  }
  if (tagged.length >= 8) add('invisible_tags', 3)
  return tagged.length >= 8 ? tagged : ''
}

/** Forms that a chat or a prompt has, and data has not. Each is found by a fixed beginning and a bounded look around it. */
const forms: readonly {
  readonly literal: string
  readonly signal: string
  readonly weight: number
  readonly form?: RegExp
}[] = [
  {
    literal: '<|',
    signal: 'chat_template',
    weight: 3,
    form: /^<\|(?:im_start|im_end|system|user|assistant|endoftext|end|eot_id|start_header_id)\|>/i,
  },
  { literal: '[inst]', signal: 'chat_template', weight: 3 },
  { literal: '<<sys>>', signal: 'chat_template', weight: 3 },
  { literal: '### instruction', signal: 'chat_template', weight: 2 },
  { literal: '### system', signal: 'chat_template', weight: 2 },
  { literal: 'system:', signal: 'fake_turn', weight: 1, form: /^system:\s+\p{L}/iu },
  { literal: '\nassistant:', signal: 'fake_turn', weight: 1 },
  { literal: '\nhuman:', signal: 'fake_turn', weight: 1 },
  {
    literal: '<',
    signal: 'pseudo_tag',
    weight: 2,
    form: /^<\/?(?:important|system|hidden|secret|instructions?|admin|critical|system[-_ ]?prompt)>/i,
  },
  { literal: '~/.ssh', signal: 'sensitive_path', weight: 1 },
  { literal: 'id_rsa', signal: 'sensitive_path', weight: 1 },
  { literal: '/etc/passwd', signal: 'sensitive_path', weight: 1 },
  { literal: '.aws/credentials', signal: 'sensitive_path', weight: 1 },
  { literal: 'javascript:', signal: 'script_link', weight: 1, form: /^javascript:\s*[a-z(]/i },
  { literal: 'data:text/html', signal: 'script_link', weight: 2 },
  {
    literal: '![',
    signal: 'image_query',
    weight: 2,
    form: /^!\[[^\]\n]{0,200}\]\(https?:\/\/[^)\s?]{1,200}\?[^)\s]{0,200}(?:\{|\$\{|%7b|=\[|<)/i,
  },
  { literal: 'do anything now', signal: 'unbound', weight: 2 },
]

/** How often one literal is looked at in one text, and how far from it. */
const looksMax = 200
const lookSize = 640

function structure(text: string, add: Add): void {
  const lower = text.toLowerCase()
  for (const { literal, signal, weight, form } of forms) {
    let looks = 0
    for (let at = lower.indexOf(literal); at !== -1 && looks < looksMax; at = lower.indexOf(literal, at + 1), looks++) {
      if (form !== undefined && !form.test(lower.slice(at, at + lookSize))) continue
      add(signal, weight)
      break
    }
  }
}

/** How far each phrase has come, and at which word. */
interface Progress {
  step: number
  at: number
}

const masks: readonly (readonly number[])[] = phrases.map(({ steps }) => steps.map(bitOf))

function bitOf(name: WordClass): number {
  return 1 << classNames.indexOf(name)
}

/** One pass over the words; each phrase advances when its next class comes soon enough. */
function wording(text: string, add: Add): void {
  const progress: Progress[] = phrases.map(() => ({ step: 0, at: 0 }))
  let word = 0
  for (let i = 0; i < text.length;) {
    const start = i
    while (isWordPart(text.charCodeAt(i))) i++
    if (i === start) {
      i++
      continue
    }
    word++
    const bits = i - start > 20 ? 0 : (classesOf.get(text.slice(start, i).toLowerCase()) ?? 0)
    if (bits !== 0) advance(bits, word, progress, add)
  }
}

function isWordPart(code: number): boolean {
  return isWord(code) || code === 39
}

function advance(bits: number, word: number, progress: readonly Progress[], add: Add): void {
  for (const [i, state] of progress.entries()) {
    const steps = masks[i] ?? []
    const phrase = phrases[i]
    if (phrase === undefined) continue
    const late = state.step > 0 && word - state.at > phrase.gapMax
    if (late) state.step = 0
    if ((bits & (steps[state.step] ?? 0)) !== 0) {
      state.at = word
      if (++state.step === steps.length) {
        add(phrase.signal, phrase.weight)
        state.step = 0
      }
    } else if ((bits & (steps[0] ?? 0)) !== 0 && state.step <= 1) {
      state.step = 1
      state.at = word
    }
  }
}
