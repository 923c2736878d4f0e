import type { BundleFacts } from './manifest.ts'
import { queryText } from './timeline-text.ts'

/** `VERIFY.md`: how whoever receives a bundle finds out whether to believe it. */
export function verifyText({ query, deployment, streams, counts }: BundleFacts): string {
  const lines = streams.map(
    ({ stream, size, shown, file }) => `- \`${file}\`: stream ${stream}, ${size} records, ${shown} of them in full`,
  )
  return `# How to verify this bundle

It answers: ${queryText(query).replace(/[^\w :.-]/g, '')}. It was made by deployment \`${deployment.replace(/[^\w.-]/g, '')}\`.

You need Node.js 20 or later, and nothing else:

    node verify.mjs BUNDLE.zip --trust trust.json

Get \`trust.json\` from somebody you trust, not from this bundle: it holds the public keys that decide. Take \`verify.mjs\` from
the Sluicegate project if you do not trust the copy in here; it is one file that you can read.

| Exit code | Meaning |
| --- | --- |
| 0 | intact, and signed by a key in your trust file |
| 1 | tampered: the first line of the output names file, record and byte |
| 2 | intact as far as it can be told, but incomplete or not signed by a key you trust (always so without \`--trust\`) |
| 3 | the command itself was wrong |

## What is in here

- \`timeline.html\` and \`timeline.md\`: the story, for people. Start there.
- \`records/\`: the signed log, line by line as it was written. ${counts.records} records answer the query, ${counts.linked} belong
  to them (alerts, switches, intents), and ${counts.hashes} others are there as hashes only, so that the chain can be checked whole
  without showing what is nobody's business. \`records/index.jsonl\` lists the records that were asked for.
${lines.join('\n')}
- \`checkpoints/\`: the last signed checkpoint of each stream. Keep one, and \`--anchor\` will later show whether anything
  was cut off the log.
- \`spans/otlp.json\`: the traces, as OpenTelemetry. The spans themselves were not signed where they were made; the manifest only
  says that they have not changed since the export.
- \`keys/\`: public keys and delegations, as hints. They prove nothing by themselves.
- \`custody.jsonl\`: who made this bundle, when, and why.
- \`manifest.dsse.json\`: the signed digest of every other file.
`
}
