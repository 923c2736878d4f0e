import { detect } from '../../../src/dlp/detect.ts'
import { keyFacts } from '../../../src/dlp/keys.ts'
import { defaultLimits, meter } from '../../../src/dlp/meter.ts'

/** What is found in a text, as `kind:the text itself`. */
export function found(text: string, key?: string): readonly string[] {
  const spans = detect(text, meter(defaultLimits), key === undefined ? undefined : keyFacts(key))
  return spans
    .filter((span) => span.reserved !== true)
    .map(({ kind, start, end }) => `${kind}:${text.slice(start, end)}`)
}

/** The kinds found in a text. */
export function kinds(text: string, key?: string): readonly string[] {
  return found(text, key).map((each) => each.slice(0, each.indexOf(':')))
}
