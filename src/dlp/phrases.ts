/** A signal that an ordered list of word classes gives, when each follows the one before within a few words. */
interface Phrase {
  readonly signal: string
  readonly weight: number
  /** Word classes, in order. */
  readonly steps: readonly WordClass[]
  /** Most words from one step to the next. */
  readonly gapMax: number
}

export type WordClass = keyof typeof classes

/** Words by what they do in an instruction; several languages, no sentence of anybody's. */
const classes = {
  override:
    'ignore ignoring disregard disregarding forget override overrule bypass neglect discard ignora ignorez ignorer oublie oubliez olvida omite ignoriere vergiss missachte ignorar ignore-se esqueça desconsidere dimentica trascura negeer vergeet zignoruj',
  prior:
    'previous prior earlier above preceding all any existing former original these those your anteriores previas previos précédentes antérieures vorherigen bisherigen vorigen alle anteriori precedenti todas toutes tutte tus',
  orders:
    'instruction instructions prompt prompts directive directives guidelines guideline rules rule commands command context restrictions policies constraints orders programming instrucciones reglas consignes règles anweisungen regeln instruções regras istruzioni regole instructies instrukcje',
  reveal: 'reveal show print repeat output leak disclose display expose recite dump echo',
  hidden: 'system hidden secret initial internal original confidential',
  prompt: 'prompt prompts instructions instruction message configuration rules',
  you: 'you you’re your',
  are: 'are re act behave pretend roleplay become',
  now: 'now',
  as: 'as being to',
  unbound: 'unrestricted unfiltered uncensored jailbroken unlimited amoral limitless',
  mode: 'mode persona',
  developer: 'developer dev debug god dan jailbreak sudo admin',
  dont: 'not never dont don’t without',
  tell: 'tell mention inform notify reveal alert telling mentioning informing notifying disclose',
  user: 'user users human customer anyone them him her client operator',
  before: 'before after whenever',
  using: 'using calling invoking running use call executing',
  tool: 'tool tools function functions',
  model: 'assistant agent ai model chatbot llm bot copilot gpt claude',
  must: 'must should shall need please required now immediately',
  send: 'send post forward upload transfer transmit exfiltrate submit export email mail deliver wire',
  fetch: 'fetch call invoke request visit open run execute curl access',
  link: 'https http',
  everything: 'all everything every entire whole full complete contents list data records',
  instead: 'instead rather',
  important: 'important attention urgent warning notice critical priority',
  newly: 'new updated real actual revised',
} as const

/** What each class of words is followed by, and how much it weighs. Weights: 1 is seen in honest text, 3 hardly ever. */
export const phrases: readonly Phrase[] = [
  { signal: 'override', weight: 3, steps: ['override', 'prior', 'orders'], gapMax: 4 },
  { signal: 'override', weight: 2, steps: ['override', 'orders'], gapMax: 2 },
  { signal: 'reveal_prompt', weight: 2, steps: ['reveal', 'hidden', 'prompt'], gapMax: 4 },
  { signal: 'role_play', weight: 1, steps: ['you', 'are', 'now'], gapMax: 2 },
  { signal: 'role_play', weight: 1, steps: ['now', 'you', 'are'], gapMax: 3 },
  { signal: 'role_play', weight: 1, steps: ['are', 'as', 'unbound'], gapMax: 4 },
  { signal: 'unbound', weight: 2, steps: ['unbound', 'model'], gapMax: 5 },
  { signal: 'unbound', weight: 2, steps: ['model', 'unbound'], gapMax: 8 },
  { signal: 'developer_mode', weight: 2, steps: ['developer', 'mode'], gapMax: 1 },
  { signal: 'secrecy', weight: 2, steps: ['dont', 'tell', 'user'], gapMax: 4 },
  { signal: 'tool_order', weight: 1, steps: ['before', 'using', 'tool'], gapMax: 3 },
  { signal: 'addressed', weight: 1, steps: ['model', 'must'], gapMax: 3 },
  { signal: 'addressed', weight: 1, steps: ['important', 'model'], gapMax: 3 },
  { signal: 'send_away', weight: 2, steps: ['send', 'everything', 'link'], gapMax: 8 },
  { signal: 'send_away', weight: 1, steps: ['must', 'send', 'link'], gapMax: 12 },
  { signal: 'new_orders', weight: 2, steps: ['newly', 'orders', 'model'], gapMax: 6 },
  { signal: 'ordered_call', weight: 2, steps: ['model', 'fetch', 'tool'], gapMax: 5 },
]

/** Each word's classes, as bits in the order of `classNames`. */
export const classNames = Object.keys(classes) as readonly WordClass[]
export const classesOf: ReadonlyMap<string, number> = index()

function index(): ReadonlyMap<string, number> {
  const bits = new Map<string, number>()
  for (const [at, name] of classNames.entries())
    for (const word of classes[name].split(' ')) bits.set(word, (bits.get(word) ?? 0) | (1 << at))
  return bits
}
