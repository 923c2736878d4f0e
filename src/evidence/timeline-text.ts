import type { Query } from './manifest.ts'
import type { Moment, Story } from './timeline.ts'

const marks: Readonly<Record<Moment['kind'], string>> = {
  intent: 'intent',
  allowed: 'allowed',
  denied: 'DENIED',
  failed: 'FAILED',
  alert: 'ALERT',
  switch: 'SWITCH',
  grant: 'grant',
  system: 'system',
}

/** The story as Markdown. Everything that came from outside is escaped. */
export function timelineMarkdown(story: Story): string {
  const { moments } = story
  const rows = moments.map(
    (moment) =>
      `| ${clockOf(moment.atMs)} | ${marks[moment.kind]} | ${cell(`${moment.who} ${moment.what}`.trim())} | ${cell(moment.why.join('; '))} | ${cell(placeOf(moment))} |`,
  )
  return [
    `# Timeline: ${cell(queryText(story.query))}`,
    '',
    `Exported ${new Date(story.createdMs).toISOString()} by ${cell(story.requester)}${story.ticket === undefined ? '' : ` for ${cell(story.ticket)}`}. Times are UTC.`,
    '',
    ...summaryOf(moments).map((line) => `- ${line}`),
    '',
    '| Time | | What happened | Why, and how much | Record |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

/** What was asked for, in words. */
export function queryText({ trace, session, incident, sinceMs, untilMs }: Query): string {
  if (trace !== undefined) return `trace ${trace}`
  if (session !== undefined) return `session ${session}`
  if (incident !== undefined) return `incident ${incident}`
  const [since, until] = [sinceMs, untilMs].map((ms) => (ms === undefined ? undefined : new Date(ms).toISOString()))
  return [since === undefined ? '' : `since ${since}`, until === undefined ? '' : `until ${until}`].join(' ').trim()
}

/** The story in a few numbers. */
export function summaryOf(moments: readonly Moment[]): readonly string[] {
  const count = (...kinds: readonly Moment['kind'][]) => moments.filter(({ kind }) => kinds.includes(kind)).length
  const [first, last] = [moments[0], moments.at(-1)]
  return [
    `calls: ${count('allowed', 'failed')} let through, ${count('denied')} refused`,
    `alerts: ${count('alert')}, switch events: ${count('switch')}`,
    ...(first && last ? [`from ${new Date(first.atMs).toISOString()} to ${new Date(last.atMs).toISOString()}`] : []),
  ]
}

/** Time of day in UTC, to the millisecond. */
export function clockOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23)
}

/** Where the proof of a moment lies. */
export function placeOf({ stream, seq }: Moment): string {
  return `${stream} ${seq}`
}

/** Text that stands in a table cell and does nothing else: no markup, no HTML, no link, one line. */
function cell(text: string): string {
  const quiet = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
  const plain = quiet.replace(/[\\`*[\]!|<>&~]/g, (mark) => `&#${mark.charCodeAt(0)};`)
  return plain.replaceAll('://', '&#58;//')
}
