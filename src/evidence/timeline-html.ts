import { createHash } from 'node:crypto'
import type { Moment, Story } from './timeline.ts'
import { clockOf, placeOf, queryText, summaryOf } from './timeline-text.ts'

const style = `
:root{--paper:#fbfaf7;--ink:#1d2329;--soft:#68727c;--line:#dcd8cf;--allowed:#2f7d4f;--denied:#b3372b;--failed:#a86a12;--alert:#c2410c;--switch:#6d3fb0;--grant:#1f6f9c;--system:#8a939c}
@media(prefers-color-scheme:dark){:root{--paper:#15191d;--ink:#e7e9ea;--soft:#96a0a9;--line:#2c333a;--allowed:#5bbd84;--denied:#f0776b;--failed:#e0a24a;--alert:#fb923c;--switch:#b48cf0;--grant:#6bb8e0;--system:#727c86}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:3rem 1.5rem 5rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .4rem;overflow-wrap:anywhere}
p{margin:.2rem 0;color:var(--soft)}
ul.sum{display:flex;flex-wrap:wrap;gap:.6rem;list-style:none;margin:1.4rem 0 2.4rem;padding:0}
ul.sum li{border:1px solid var(--line);border-radius:.6rem;padding:.45rem .8rem}
ol{list-style:none;margin:0;padding:0 0 0 1rem;border-left:2px solid var(--line)}
li.m{position:relative;display:grid;grid-template-columns:7.2rem 1fr;gap:0 1rem;padding:.55rem 0 .55rem .6rem}
li.m::before{content:"";position:absolute;left:-1.45rem;top:1rem;width:.75rem;height:.75rem;border-radius:50%;background:var(--k);box-shadow:0 0 0 3px var(--paper)}
time,code{font:13px/1.9 ui-monospace,monospace;color:var(--soft)}
b{font-weight:600}
.k{display:inline-block;margin-right:.5rem;padding:0 .5rem;border-radius:1rem;font-size:.75rem;color:var(--k);border:1px solid var(--k)}
.why{color:var(--soft);font-size:.92rem}
.why span+span::before{content:" \\00b7  "}
h2{font-size:1rem;margin:2rem 0 .6rem;color:var(--soft)}
.intent,.allowed{--k:var(--allowed)}.denied{--k:var(--denied)}.failed{--k:var(--failed)}.alert{--k:var(--alert)}.switch{--k:var(--switch)}.grant{--k:var(--grant)}.system{--k:var(--system)}
li.alert,li.switch{background:color-mix(in srgb,var(--k) 9%,transparent);border-radius:.5rem}
li.m div{overflow-wrap:anywhere}
@media print{body{padding:0}li.m{break-inside:avoid}}
`

/**
 * The story as one HTML page for people. No script, no link, nothing loaded: the policy in its head forbids all but its own
 * style, and everything that came from outside is escaped.
 */
export function timelineHtml(story: Story): string {
  const { moments } = story
  const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`
  const ticket = story.ticket === undefined ? '' : ` for ${escaped(story.ticket)}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escaped(queryText(story.query))}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(queryText(story.query))}</h1>
<p>Exported ${new Date(story.createdMs).toISOString()} by ${escaped(story.requester)}${ticket}. Times are UTC. Each line names the record that proves it.</p>
<ul class="sum">${summaryOf(moments)
    .map((line) => `<li>${escaped(line)}</li>`)
    .join('')}</ul>
${days(moments)}
</body>
</html>
`
}

function days(moments: readonly Moment[]): string {
  const byDay = Map.groupBy(moments, ({ atMs }) => new Date(atMs).toISOString().slice(0, 10))
  return [...byDay].map(([day, list]) => `<h2>${day}</h2>\n<ol>\n${list.map(item).join('\n')}\n</ol>`).join('\n')
}

function item(moment: Moment): string {
  const { kind, who, what, why } = moment
  const facts = why.map((fact) => `<span>${escaped(fact)}</span>`).join('')
  return `<li class="m ${kind}"><time>${clockOf(moment.atMs)}</time><div><span class="k">${kind}</span><b>${escaped(who)}</b> ${escaped(what)}
<div class="why">${facts}</div><code>${escaped(placeOf(moment))}</code></div></li>`
}

/** Text and nothing else: markup is spelled out, and control and direction characters are gone. */
function escaped(text: string): string {
  const quiet = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
  return quiet.replace(/[&<>"'`]/g, (mark) => `&#${mark.charCodeAt(0)};`)
}
