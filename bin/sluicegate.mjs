#!/usr/bin/env node
// Plain JavaScript, so that an old Node can still say what it needs.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `sluicegate needs Node 24 or newer; this is ${process.versions.node}. Install it, or run through npm scripts in a clone: they bring their own.\n`,
  )
  process.exit(3)
}
const { existsSync } = await import('node:fs')
const built = new URL('../dist/bin/sluicegate.js', import.meta.url)
const source = new URL('../src/bin/sluicegate.ts', import.meta.url)
const { main } = await import(existsSync(built) ? built.href : source.href)
await main(process.argv)
