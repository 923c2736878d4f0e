import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { readBundleZip, writeBundle } from '../../src/adapters/bundle-zip.ts'
import { localSigner } from '../../src/adapters/signer-local.ts'
import { verifyEvidence } from '../../src/apps/verify.ts'
import { leafHash } from '../../src/evidence/chain.ts'
import { indexFile } from '../../src/evidence/bundle.ts'
import { manifestFile } from '../../src/evidence/manifest.ts'
import { verifyPath } from '../../verifier/verify.mjs'
import type { MadeBundle } from '../support/bundles.ts'
import { dataDirectory, makeBundle, rawZip, resigned, session, statementOf } from '../support/bundles.ts'
import {
  callEntry,
  deploymentKey,
  sealedEnvelope,
  seeded,
  testKey,
  trustJson,
  temporaryFolder,
} from '../support/log-mutator.ts'

let made: MadeBundle

beforeAll(async () => {
  made = await makeBundle()
})

/** Both verifiers on the same file: their exit codes must agree; ours is given with its codes. */
async function judged(file: string, trustFile: string | undefined = made.trustFile) {
  const ours = await verifyEvidence({ path: file, ...(trustFile !== undefined && { trustFile }) })
  const theirs = verifyPath(file, trustFile === undefined ? {} : { trust: trustFile })
  expect(theirs.exit).toBe(ours.exitCode)
  expect(theirs.problems[0]?.code).toBe(ours.problems[0]?.code)
  return { exit: ours.exitCode, codes: ours.problems.map(({ code }) => code), records: ours.records }
}

function place(): string {
  return path.join(temporaryFolder(), 'bundle.zip')
}

async function judgedFiles(files: ReadonlyMap<string, Buffer>) {
  const file = place()
  await writeBundle(file, files)
  return judged(file)
}

async function judgedZip(bytes: Buffer) {
  const file = place()
  writeFileSync(file, bytes)
  return judged(file)
}

describe('a bundle', () => {
  it('is intact with the trust file, and untrusted without', async () => {
    expect(await judged(made.zip)).toMatchObject({ exit: 0, codes: [] })
    const without = await verifyEvidence({ path: made.zip })
    expect([without.exitCode, verifyPath(made.zip).exit]).toEqual([2, 2])
    expect(without.problems.map(({ code }) => code)).toEqual(['UNTRUSTED_KEY'])
  })

  it('is intact when it was unpacked', async () => {
    const folder = temporaryFolder()
    for (const [name, bytes] of made.files) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
      writeFileSync(path.join(folder, name), bytes)
    }
    expect(await judged(folder)).toMatchObject({ exit: 0 })
  })

  it('carries a verifier that runs by itself, far from the project, with the promised exit codes', async () => {
    const folder = temporaryFolder()
    writeFileSync(path.join(folder, 'verify.mjs'), made.files.get('verify.mjs') as Buffer)
    const run = (...args: readonly string[]) =>
      spawnSync(process.execPath, ['verify.mjs', ...args], { cwd: folder, encoding: 'utf8', env: {} })
    expect(run(made.zip, '--trust', made.trustFile)).toMatchObject({ status: 0 })
    expect(run(made.zip)).toMatchObject({ status: 2 })
    const tampered = await resigned(made.files, {})
    const file = path.join(folder, 'tampered.zip')
    await writeBundle(file, new Map([...tampered, ['timeline.md', Buffer.from('nothing happened')]]))
    expect(run(file, '--trust', made.trustFile)).toMatchObject({ status: 1 })
    expect(run()).toMatchObject({ status: 3 })
    expect(run(path.join(folder, 'absent.zip'))).toMatchObject({ status: 3 })
    expect(run(made.zip, '--trust', file)).toMatchObject({ status: 3 })
  })
})

describe('a bundle whose manifest does not fit', () => {
  const name = 'timeline.md'

  it.each<[string, (files: Map<string, Buffer>) => void]>([
    ['a file was added', (files) => files.set('notes.txt', Buffer.from('hello'))],
    ['a file was removed', (files) => files.delete(name)],
    ['a file was renamed', (files) => files.delete(name) && files.set('timeline2.md', made.files.get(name) as Buffer)],
    ['a file was changed', (files) => files.set(name, Buffer.from('nothing happened'))],
    ['its own copy of the trust was changed', (files) => files.set('keys/trust.json', Buffer.from('{}'))],
    ['the manifest is gone', (files) => files.delete(manifestFile)],
    ['the manifest is no JSON', (files) => files.set(manifestFile, Buffer.from('{'))],
  ])('is found when %s', async (_title, change) => {
    const files = new Map(made.files)
    change(files)
    const { exit, codes } = await judgedFiles(files)
    expect(exit).toBe(1)
    expect(codes[0]).toBe('MANIFEST_MISMATCH')
  })

  it('is found when it has the manifest of another bundle', async () => {
    const other = await makeBundle({ query: { session: session.replace(/1$/, '2') } })
    const swapped = new Map(made.files).set(manifestFile, other.files.get(manifestFile) as Buffer)
    expect(await judgedFiles(swapped)).toMatchObject({ exit: 1 })
  })

  it('is untrusted when somebody else signed it anew', async () => {
    const thief = localSigner(testKey('thief').privateKey)
    expect(await judgedFiles(await resigned(made.files, {}, { by: thief }))).toMatchObject({
      exit: 2,
      codes: ['UNTRUSTED_KEY'],
    })
  })
})

describe('a bundle that the exporter itself falsified', () => {
  const recordsFile = () => made.report.streams[0]?.file as string
  const lines = () => String(made.files.get(recordsFile())).split('\n').slice(0, -1)

  it('is found when a record that was asked for is left out', async () => {
    const all = lines()
    const shown = all.findIndex((line, index) => index > 3 && line.startsWith('{') && line.includes(session))
    const hashed = hashLine(all[shown] as string)
    const files = await resigned(made.files, {
      [recordsFile()]: Buffer.from(`${all.with(shown, hashed).join('\n')}\n`),
    })
    expect(await judgedFiles(files)).toMatchObject({ exit: 1, codes: ['INCOMPLETE_TRACE'] })
  })

  it('is found when the tail of a stream is cut off', async () => {
    const shorter = lines().slice(0, -4)
    const files = await resigned(made.files, { [recordsFile()]: Buffer.from(`${shorter.join('\n')}\n`) })
    const { exit, codes } = await judgedFiles(files)
    expect(exit).toBe(1)
    expect(codes).toContain('TRUNCATED')
  })

  it('is found when a record was changed', async () => {
    const changed = lines().map((line) => line.replace('"effect":"deny"', '"effect":"allow"'))
    const files = await resigned(made.files, { [recordsFile()]: Buffer.from(`${changed.join('\n')}\n`) })
    const { exit, codes } = await judgedFiles(files)
    expect(exit).toBe(1)
    expect(codes).toContain('BAD_RECORD_SIG')
  })

  it('is found when it answers another question than it says', async () => {
    const facts = { query: { session: session.replace(/1$/, '2') } }
    const files = await resigned(made.files, {}, { facts: (before) => ({ ...before, ...facts }) })
    const { exit, codes } = await judgedFiles(files)
    expect(exit).toBe(1)
    expect(codes).toContain('SUBJECT_MISMATCH')
  })

  it('is found when its manifest is a statement about something else', async () => {
    const text = JSON.stringify({ ...statementOf(made.files), predicateType: 'urn:other' })
    const envelope = sealedEnvelope('application/vnd.in-toto+json', Buffer.from(text), deploymentKey)
    const files = new Map(made.files).set(manifestFile, Buffer.from(JSON.stringify(envelope)))
    expect(await judgedFiles(files)).toMatchObject({ exit: 1, codes: ['MANIFEST_MISMATCH'] })
  })

  it('is found when its index is no index', async () => {
    const files = await resigned(made.files, { [indexFile]: Buffer.from('hello\n') })
    expect(await judgedFiles(files)).toMatchObject({ exit: 1 })
  })
})

describe('a data directory with a trust file of its own', () => {
  it.each([
    ['that is no JSON', '{', 2],
    ['with a member nobody knows', trustJson().replace('"v":1', '"v":1,"w":1'), 2],
    ['for another algorithm', trustJson().replace('ed25519', 'ed448'), 2],
    ['with a key under the id of another', trustJson({ ...testKey('x'), kid: testKey('y').kid }), 1],
    ['with a weak key', trustJson({ ...testKey('x'), raw: Buffer.alloc(32) }), 1],
    ['of another deployment', trustJson(testKey('thief')), 2],
  ])('is not believed %s', async (_title, text, exit) => {
    const data = dataDirectory()
    writeFileSync(path.join(data, 'trust.json'), text)
    const ours = await verifyEvidence({ path: data })
    expect([ours.exitCode, verifyPath(data).exit]).toEqual([exit, exit])
  })
})

describe('an unsafe zip', () => {
  const file = (name: string) => ({ name, bytes: Buffer.from('x'.repeat(50)) })

  it.each<[string, Buffer]>([
    ['a name that leaves the folder', rawZip([file('../x')])],
    ['a name that leaves the folder from within', rawZip([file('a/../../x')])],
    ['an absolute name', rawZip([file('/etc/passwd')])],
    ['a drive', rawZip([file('c:x')])],
    ['a backslash', rawZip([file('a\\x')])],
    ['an empty part', rawZip([file('a//x')])],
    ['a folder', rawZip([{ name: 'a/', bytes: Buffer.alloc(0), method: 0 }])],
    ['a control character', rawZip([file('a\u0001')])],
    ['a symbolic link', rawZip([{ ...file('link'), attributes: 0xa1ff0000 }])],
    ['a device', rawZip([{ ...file('tty'), attributes: 0x21ff0000 }])],
    ['the same name twice', rawZip([file('a'), file('a')])],
    ['names that differ in case only', rawZip([file('a'), file('A')])],
    ['two names for one file', rawZip([{ ...file('a'), localName: 'b' }])],
    ['a size that is not true', rawZip([{ ...file('a'), claims: 49 }])],
    ['a size that is too large', rawZip([{ ...file('a'), claims: 51 }])],
    ['a bomb', rawZip([{ name: 'a', bytes: Buffer.alloc(2 ** 24) }])],
    ['a bomb by its own account', rawZip([{ ...file('a'), method: 0, claims: 2 ** 31 }])],
    ['encryption', rawZip([{ ...file('a'), flags: 1 }])],
    ['sizes behind the data', rawZip([{ ...file('a'), flags: 8 }])],
    ['another method', rawZip([{ ...file('a'), method: 12 }])],
    ['bytes in front', rawZip([{ ...file('a'), before: Buffer.from('PK') }])],
    ['bytes between files', rawZip([file('a'), { ...file('b'), before: Buffer.from('hidden') }])],
    ['bytes before the directory', rawZip([file('a')], { gap: Buffer.from('hidden') })],
    ['bytes behind packed data', rawZip([{ ...file('a'), behind: Buffer.from('hidden') }])],
    ['a comment', rawZip([file('a')], { comment: 'hi' })],
    ['bytes at the end', rawZip([file('a')], { trailing: Buffer.from('hidden') })],
    ['no directory', Buffer.from('PK\u0003\u0004 and nothing')],
  ])('is refused with %s', async (_title, zip) => {
    expect(await judgedZip(zip)).toMatchObject({ exit: 1, codes: ['BUNDLE_UNSAFE'] })
  })

  it('shows no difference for any flipped byte unless it is found', async () => {
    const honest = readFileSync(made.zip)
    const random = seeded(3)
    const file = place()
    for (let round = 0; round < 300; round += 1) {
      const flipped = Buffer.from(honest)
      const at = Math.floor(random() * honest.length)
      flipped[at] = (flipped[at] as number) ^ (1 << Math.floor(random() * 8))
      writeFileSync(file, flipped)
      const { exit } = verifyPath(file, { trust: made.trustFile })
      const ours = await verifyEvidence({ path: file, trustFile: made.trustFile })
      expect([at, ours.exitCode]).toEqual([at, exit])
      if (exit === 0) expect(await sameContents(file)).toBe(true)
    }
  })
})

describe('what outsiders wrote into records', () => {
  const hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>`[x](javascript:alert(1))|\u202egnp\u0000'

  it('is inert in the timeline', async () => {
    const entry = (count: number) => ({
      ...callEntry(count),
      actor: { id: hostile, type: 'agent' },
      tool: { name: hostile, effect: 'read' },
    })
    const { files } = await makeBundle({ data: dataDirectory({ entry }), requester: hostile, ticket: hostile })
    const html = String(files.get('timeline.html'))
    expect(html).not.toMatch(/<script|<img|\u202e/i)
    expect(html).toContain('&#60;script&#62;')
    expect(html).toMatch(/Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'"/)
    const markdown = String(files.get('timeline.md'))
    expect(markdown).not.toMatch(/<script|<img|\]\(|\u202e/)
    const rows = markdown.split('\n').filter((line) => line.startsWith('| 0') || line.startsWith('| 1'))
    for (const row of rows) expect(row.split('|')).toHaveLength(7)
  })
})

function hashLine(line: string): string {
  return `H\t${leafHash(Buffer.from(line.slice(0, line.indexOf('\t')))).toString('hex')}`
}

async function sameContents(file: string): Promise<boolean> {
  const files = await readBundleZip(readFileSync(file))
  return [...made.files].every(([name, bytes]) => files.get(name)?.equals(bytes)) && files.size === made.files.size
}
