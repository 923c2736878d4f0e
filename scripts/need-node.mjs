// Runs before every npm script; plain JavaScript, so that an old Node can still say what is missing.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `This needs Node 24, and this is ${process.versions.node}. Run "npm ci" first: it brings the right one.`,
  )
  process.exit(3)
}
