#!/usr/bin/env node
// Verifies Sluicegate evidence offline: a data directory, a stream directory, one segment, or a bundle (zip or unpacked).
// One file, Node >= 20, no dependencies, nothing shared with the program that wrote the evidence. Format and codes are
// described in docs/evidence-format.md. Exit 0: intact, 1: tampered, 2: incomplete or signed by nobody you trust, 3: usage.
import { createHash, createPublicKey, verify as opensslVerify } from 'node:crypto'
import { existsSync, lstatSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { inflateRawSync } from 'node:zlib'

const usage = 'node verify.mjs PATH [--trust trust.json] [--anchor checkpoint.txt] [--cross-check] [--json]'
/** Codes that mean "cannot say" rather than "tampered". */
const soft = new Set(['UNTRUSTED_KEY', 'TORN_TAIL', 'UNSIGNED_TAIL', 'OPEN_TAIL', 'SEGMENT_ALONE'])
const recordMax = 65_535
const lineMax = recordMax + 1 + 88
const vendor = 'application/vnd.sluicegate.'
const words = (text) => new Set(text.split(/\s+/))
const types = words(`stream.genesis stream.resume stream.close stream.gap key.introduce call.intent call.decision
  call.outcome call.unknown grant.issue kill.apply kill.release switch.enforced policy.load catalog.load config.load
  config.refused certificate.load certificate.refused certificate.due
  ticket.approved service.breaker rollout.watch alert export`)
const fields = words(`v stream seq prev cp tsMs wallMs monoNs boot type traceId spanId parentSpanId session req tenant
  actor agentPlan tool grants decision limits idem args result dlp egress timing ext`)

const need = (holds, code, message) => {
  if (!holds) throw Object.assign(new Error(message), { verdict: code })
}
const attempt = (make, code, message) => {
  try {
    return make()
  } catch (error) {
    if (error.verdict) throw error
    return need(false, code, message)
  }
}

// Bytes and text

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
const hexOf = (bytes) => Buffer.from(bytes).toString('hex')
const isHex = (value, length) => typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value)
const hasOnly = (value, keys) =>
  Object.keys(value ?? {})
    .sort()
    .join() === keys
const isCount = (value) => Number.isSafeInteger(value) && value >= 0
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const utf8 = (bytes) => attempt(() => decoder.decode(bytes), 'BAD_UTF8', 'not UTF-8')
const parseJson = (text, code, what) => attempt(() => JSON.parse(text), code, `${what} is not JSON`)

/** The bytes of base64 that re-encodes to the same text and has the length asked for. Refuses any other spelling. */
function unbase64(text, code, length, alphabet = 'base64') {
  const bytes = Buffer.from(String(text), alphabet)
  need(bytes.toString(alphabet) === text && (length ?? bytes.length) === bytes.length, code, 'not strict base64')
  return bytes
}
/** RFC 8785 text of a parsed value. Refuses fractions, integers beyond 2^53 - 1, lone surrogates and more than 64 levels. */
function canonical(value, depth = 0) {
  if (typeof value === 'string') need(value.isWellFormed(), 'NOT_CANONICAL', 'a lone surrogate')
  if (typeof value === 'number') need(Number.isSafeInteger(value), 'NOT_CANONICAL', 'not a safe integer')
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  need(depth < 64, 'NOT_CANONICAL', 'nested deeper than 64 levels')
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`
  const keys = Object.keys(value).sort()
  need(!keys.includes('__proto__'), 'BAD_SCHEMA', 'a field named __proto__')
  return `{${keys.map((key) => `${canonical(key)}:${canonical(value[key], depth + 1)}`).join(',')}}`
}
function parseCanonical(bytes, code) {
  const text = utf8(bytes)
  const value = parseJson(text, code, 'the text')
  need(canonical(value) === text, 'NOT_CANONICAL', 'not in the canonical form of RFC 8785')
  return value
}

// Ed25519 (RFC 8032), with every lenience closed before an engine is asked

const order = 2n ** 252n + 27742317777372353535851937790883648493n
const prime = 2n ** 255n - 19n
const y8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n // y of a point of order 8
const small = new Set([0n, 1n, prime - 1n, y8, prime - y8])
const integer = (bytes) => BigInt(`0x${hexOf(bytes.toReversed())}`)
/** True for the one encoding of a point whose order is not small. */
export function soundPoint(bytes) {
  const y = integer(bytes) & (2n ** 255n - 1n)
  return bytes.length === 32 && y < prime && !small.has(y)
}
const spki = (pub) => Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), pub])
export const openssl = (pub, message, sig) =>
  opensslVerify(null, message, createPublicKey({ key: spki(pub), format: 'der', type: 'spki' }), sig)
export const tweetnacl = (nacl) => (pub, message, sig) => nacl.sign.detached.verify(message, sig, pub)
/** True when the signature holds. Every engine is asked, and they must agree. */
export function signatureHolds(engines, pub, message, sig) {
  if (pub.length !== 32 || sig.length !== 64 || !soundPoint(pub)) return false
  if (integer(sig.subarray(32)) >= order || !soundPoint(sig.subarray(0, 32))) return false
  const answers = new Set(engines.map((engine) => engine(pub, message, sig)))
  need(answers.size === 1, 'VERIFIER_DISAGREEMENT', 'two implementations of Ed25519 disagree')
  return answers.has(true)
}
const pae = (type, body) => Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `), body])

function publicKey({ kid, pub }) {
  const raw = unbase64(pub, 'KID_MISMATCH', 32)
  need(soundPoint(raw), 'WEAK_KEY', `key ${kid} has small order or is not canonical`)
  need(hexOf(sha256(spki(raw))) === kid, 'KID_MISMATCH', `key ${kid} is not the key of that id`)
  return raw
}
export function readTrust(text) {
  const trust = parseJson(text, 'UNTRUSTED_KEY', 'the trust file')
  const known = hasOnly(trust, 'deployment,keys,v') && trust.v === 1 && Array.isArray(trust.keys)
  const sound = known && trust.keys.every((key) => hasOnly(key, 'alg,kid,pub,use') && key.alg === 'ed25519')
  need(sound, 'UNTRUSTED_KEY', 'the trust file is not {v:1, deployment, keys:[{kid, pub, use, alg}]}')
  return { deployment: trust.deployment, keys: trust.keys.map((key) => ({ ...key, pub: publicKey(key) })) }
}
/** The payload of a DSSE envelope, and whether a trusted deployment key signed it. Refuses a false signature. */
function openEnvelope(envelope, type, { trust, engines }, code) {
  const one = hasOnly(envelope, 'payload,payloadType,signatures') && hasOnly(envelope.signatures, '0')
  need(one && hasOnly(envelope.signatures[0], 'keyid,sig'), code, 'not an envelope with one signature')
  need(envelope.payloadType === type, code, `no envelope of ${type}`)
  const payload = unbase64(envelope.payload, code)
  const [{ keyid, sig }] = envelope.signatures
  const key = trust?.keys.find(({ kid }) => kid === keyid)
  if (!key) return { payload, trusted: false }
  need(key.use === 'deployment', 'WRONG_KEY_PURPOSE', `a ${key.use} key signed what only a deployment key may`)
  const signature = unbase64(sig, 'BAD_SIG_ENCODING', 64)
  need(signatureHolds(engines, key.pub, pae(type, payload), signature), code, 'the deployment key did not sign this')
  return { payload, trusted: true }
}

// The tree of RFC 6962: `peaks` are the roots of the complete subtrees, largest first

const inner = (left, right) => sha256('\x01', left, right)
function grow(peaks, leaf) {
  let node = { hash: leaf, size: 1 }
  while (peaks.at(-1)?.size === node.size) node = { hash: inner(peaks.pop().hash, node.hash), size: node.size * 2 }
  peaks.push(node)
}
const rootOf = (peaks) => peaks.map(({ hash }) => hash).reduceRight((right, left) => inner(left, right))

function checkSchema(record) {
  need(record.v === 1, 'UNSUPPORTED_VERSION', 'not a version 1 record')
  const unknown = Object.keys(record).find((key) => !fields.has(key))
  need(unknown === undefined, 'BAD_SCHEMA', `unknown field ${unknown}`)
  need(types.has(record.type), 'BAD_SCHEMA', 'unknown record type')
  const counts = [record.seq, record.tsMs, record.wallMs].every(isCount) && /^[0-9]{1,20}$/.test(record.monoNs)
  const texts = typeof record.stream === 'string' && isHex(record.prev, 64) && isHex(record.boot, 32)
  need(counts && texts, 'BAD_SCHEMA', 'a field every record has is absent or malformed')
}
function readNote(line) {
  const text = utf8(unbase64(line.toString('latin1', 2), 'CHECKPOINT_MALFORMED', undefined, 'base64url'))
  const parts = /^(([^\n]+)\n(0|[1-9][0-9]{0,15})\n([^\n]+)\n)\n— ([^ \n]+) ([^ \n]+)\n$/.exec(text)
  need(parts, 'CHECKPOINT_MALFORMED', 'not a note with one signature')
  const root = unbase64(parts[4], 'CHECKPOINT_MALFORMED', 32)
  const blob = unbase64(parts[6], 'CHECKPOINT_MALFORMED', 68)
  const [keyId, sig] = [blob.subarray(0, 4), blob.subarray(4)]
  return { body: parts[1], origin: parts[2], size: Number(parts[3]), root, name: parts[5], keyId, sig }
}

/**
 * Judges one stream up to its first broken line; nothing after a break can be believed. `segments` are {name, number, bytes},
 * `pins` the sizes and roots that somebody else remembers, `hashes` admits the `H` lines of bundles.
 */
export function verifyStream({ stream, segments, trust, pins = [], engines = [openssl], hashes = false }) {
  const problems = []
  const keys = { record: undefined, checkpoint: undefined }
  const shown = new Map()
  const peaks = []
  const at = { segment: 'seg-00000001.log', offset: 0, tail: 0 }
  let last = { size: 0, root: '', index: -1, hash: undefined } // the last checkpoint; its hash until a record has named it
  let [next, prev, tsMs, genesis, closed] = [0, '0'.repeat(64), 0, undefined, false]

  const memories = () => pins.filter((pin) => pin.stream === stream)
  const report = (code, message, place = {}) => {
    const { segment, offset } = at
    problems.push({ code, stream, segment, seq: next, offset, lastGoodSeq: next - 1, message, ...place })
  }
  const settle = (leaf) => {
    grow(peaks, leaf)
    last.hash = undefined
    if (next === last.size) at.tail = at.offset
    next += 1
    prev = hexOf(leaf)
    const other = memories().find(({ size, root }) => size === next && root !== hexOf(rootOf(peaks)))
    need(!other, 'FORK', `${other?.by} remembers other records`)
  }
  const takeKeys = ({ delegations }) => {
    need(Array.isArray(delegations), 'BAD_DELEGATION', 'the genesis delegates no keys')
    const type = `${vendor}delegation.v1+json`
    const opened = delegations.map((one) => openEnvelope(one, type, { trust, engines }, 'BAD_DELEGATION'))
    for (const { payload } of opened) {
      const key = parseCanonical(payload, 'BAD_DELEGATION')
      need(key.v === 1 && key.stream === stream, 'BAD_DELEGATION', 'a delegation for another stream')
      need(Object.hasOwn(keys, key.purpose), 'WRONG_KEY_PURPOSE', 'a delegation for no known purpose')
      need(isCount(key.notBefore) && isCount(key.notAfter), 'BAD_DELEGATION', 'a delegation without end')
      keys[key.purpose] = { ...key, raw: publicKey(key) }
    }
    if (!opened.every(({ trusted }) => trusted))
      report('UNTRUSTED_KEY', 'no key you trust delegated the keys of this stream')
  }
  const keyFor = (purpose) => {
    const key = keys[purpose]
    need(key, 'WRONG_KEY_PURPOSE', `no key was delegated for a ${purpose}`)
    need(tsMs >= key.notBefore, 'KEY_NOT_YET_VALID', `the ${purpose} key was not valid yet`)
    need(tsMs <= key.notAfter, 'KEY_EXPIRED', `the ${purpose} key had expired`)
    return key.raw
  }
  const checkSignature = (body, text) => {
    if (genesis.signing === 'checkpoint')
      return need(text === '', 'BAD_RECORD_SIG', 'signed, where only checkpoints are')
    need(text !== '', 'SIGNATURE_STRIPPED', 'the signature is gone')
    const sig = unbase64(text, 'BAD_SIG_ENCODING', 64)
    const message = pae(`${vendor}evidence.v1+json`, body)
    if (signatureHolds(engines, keyFor('record'), message, sig)) return undefined
    const swapped = keys.checkpoint && signatureHolds(engines, keys.checkpoint.raw, message, sig)
    return need(false, swapped ? 'WRONG_KEY_PURPOSE' : 'BAD_RECORD_SIG', 'the signature does not fit the record')
  }
  const checkPlace = (record, opensSegment) => {
    need(record.stream === stream, 'WRONG_STREAM', `a record of stream ${record.stream}`)
    need(!opensSegment || record.seq >= next, 'SEGMENT_ORDER', `the segment begins at record ${record.seq}`)
    need(next > 0 || (record.seq === 0 && record.type === 'stream.genesis'), 'GENESIS_MISSING', 'no genesis')
    need(record.seq <= next, 'GAP', `records ${next} to ${record.seq - 1} are missing`)
    need(record.seq === next, 'DUPLICATE_SEQ', `record ${record.seq} is there again`)
    need(record.prev === prev, 'CHAIN_BREAK', 'it does not follow from the record before it')
    const names = last.hash ? canonical({ h: last.hash, n: last.index }) : undefined
    need((record.cp && canonical(record.cp)) === names, 'CHECKPOINT_CHAIN_BREAK', 'it names another checkpoint')
    need(record.tsMs >= tsMs, 'CLOCK_ROLLBACK', 'time runs backwards')
    need(!closed && (next === 0) === (record.type === 'stream.genesis'), 'ORDER', `a ${record.type} has no place here`)
  }
  const onRecord = (line, opensSegment) => {
    const tab = line.indexOf(9)
    need(tab > 0 && tab <= recordMax, 'RECORD_MALFORMED', 'too long, or without a signature column')
    const body = line.subarray(0, tab)
    const record = parseCanonical(body, 'RECORD_MALFORMED')
    checkSchema(record)
    stream ??= record.stream
    checkPlace(record, opensSegment)
    tsMs = record.tsMs
    if (next === 0) {
      genesis = record.ext ?? {}
      need(['record+checkpoint', 'checkpoint'].includes(genesis.signing), 'BAD_SCHEMA', 'an unknown way of signing')
      need((trust ?? genesis).deployment === genesis.deployment, 'WRONG_ORIGIN', `made by ${genesis.deployment}`)
      takeKeys(genesis)
    }
    checkSignature(body, line.toString('latin1', tab + 1))
    if (record.type === 'key.introduce')
      need(keys[record.ext?.purpose]?.kid === record.ext?.kid, 'BAD_ROTATION', 'it introduces a key nobody delegated')
    const leaf = sha256('\x00', body)
    if (hashes) shown.set(next, { record, leaf: hexOf(leaf) })
    closed = record.type === 'stream.close'
    settle(leaf)
  }
  const onCheckpoint = (line) => {
    need(next > 0, 'GENESIS_MISSING', 'a checkpoint before the genesis')
    const { body, origin, size, root, name, keyId, sig } = readNote(line)
    need(origin === `${genesis.deployment}/evidence/${stream}` && name === origin, 'WRONG_ORIGIN', `of ${origin}`)
    const raw = keyFor('checkpoint')
    const idOf = (key) => sha256(name, '\n\x01', key).subarray(0, 4)
    need(!keys.record || !idOf(keys.record.raw).equals(keyId), 'WRONG_KEY_PURPOSE', 'signed with the record key')
    const holds = idOf(raw).equals(keyId) && signatureHolds(engines, raw, Buffer.from(body), sig)
    need(holds, 'BAD_CHECKPOINT_SIG', 'the signature does not fit the checkpoint')
    need(size !== last.size || hexOf(root) === last.root, 'EQUIVOCATION', `two signed roots for ${size} records`)
    need(size > last.size, 'CHECKPOINT_CHAIN_BREAK', 'it does not follow the checkpoint before it')
    need(size === next && root.equals(rootOf(peaks)), 'CHECKPOINT_MISMATCH', `it is of ${size} other records`)
    last = { size, root: hexOf(root), index: last.index + 1, hash: hexOf(sha256(line)) }
  }
  const onLine = (line, opensSegment) => {
    need(line.length <= lineMax, 'RECORD_MALFORMED', 'longer than any line')
    if (line[0] === 0x7b) return onRecord(line, opensSegment)
    if (line[0] === 0x43 && line[1] === 9) return onCheckpoint(line)
    const [kind, leaf] = line.toString('latin1').split('\t')
    need(hashes && next > 0 && kind === 'H' && isHex(leaf, 64), 'RECORD_MALFORMED', 'neither record nor checkpoint')
    return settle(Buffer.from(leaf, 'hex'))
  }
  /** Walks one segment. True when its last line is not whole and the segment is the last. */
  const walk = ({ name, number, bytes }, index) => {
    if (bytes.length > 0) Object.assign(at, { segment: name, offset: 0 })
    need(number === index + 1, 'SEGMENT_MISSING', `segment ${index + 1} is missing`)
    for (let end; at.offset < bytes.length; at.offset = end + 1) {
      end = bytes.indexOf(10, at.offset)
      if (end < 0 && index === segments.length - 1 && bytes.length - at.offset <= lineMax) return true
      need(end >= 0, 'RECORD_MALFORMED', 'a segment that ends within a line')
      onLine(bytes.subarray(at.offset, end), index > 0 && at.offset === 0)
    }
    return false
  }
  const checkTail = (torn) => {
    const beyond = memories().find(({ size }) => size > next)
    if (beyond) return report('TRUNCATED', `${beyond.by} remembers ${beyond.size} records`)
    // What follows the size a successor remembers was never acknowledged; an anchor only speaks for what it covers.
    if (memories().some(({ size, by }) => size === next || by !== 'the anchor')) return
    if (torn || next === 0) return report('TORN_TAIL', 'the last line is not whole')
    const open = { seq: last.size, offset: at.tail }
    if (next > last.size) return report('UNSIGNED_TAIL', 'no checkpoint covers the last records', open)
    if (!closed) report('OPEN_TAIL', 'neither closed nor continued: records may be missing at the end')
  }
  try {
    checkTail(segments.map(walk).at(-1) ?? true)
  } catch (error) {
    report(error.verdict ?? 'BAD_SCHEMA', error.message) // whatever a hostile line made us stumble over, it is no record
  }
  const summary = { stream, records: next, checkpoints: last.index + 1, closed }
  return { ...summary, summary, problems, shown }
}

// Bundles

/** The files of a zip in which every byte is accounted for: plain files, sane names, headers that agree, nothing between. */
export function readZip(zip) {
  const [u16, u32] = [(at) => zip.readUInt16LE(at), (at) => zip.readUInt32LE(at)]
  const safe = (holds, why) => need(holds, 'BUNDLE_UNSAFE', why)
  const end = zip.length - 22
  safe(end >= 0 && u32(end) === 0x06054b50 && u16(end + 20) === 0, 'no end record, or data after it')
  const start = u32(end + 16)
  const oneDisk = u32(end + 4) === 0 && u16(end + 8) === u16(end + 10)
  safe(oneDisk && start + u32(end + 12) === end, 'the end record does not fit')
  const files = new Map()
  const seen = new Set()
  let [at, data, bytes] = [start, 0, 0]
  for (let left = u16(end + 10); left > 0; left -= 1) {
    safe(at + 46 <= end && u32(at) === 0x02014b50, 'a malformed directory entry')
    const [flags, method, nameLength] = [u16(at + 8), u16(at + 10), u16(at + 28)]
    const [packed, size] = [u32(at + 20), u32(at + 24)]
    const name = utf8(zip.subarray(at + 46, at + 46 + nameLength))
    safe(/^[\w~-][\w.~-]*(\/[\w~-][\w.~-]*)*$/.test(name), `the name ${JSON.stringify(name)}`)
    safe(!seen.has(name.toLowerCase()), `${name} is there twice`)
    safe(u32(at + 30) === 0 && [0, 8].includes(u16(at + 40) >> 12), `${name} is not a plain file`)
    safe((flags & ~0x0800) === 0 && [0, 8].includes(method), `${name} is packed in a way nobody needs`)
    const body = data + 30 + nameLength
    safe(u32(at + 42) === data && body + packed <= start && u32(data) === 0x04034b50, `data around ${name}`)
    const twice = [zip.subarray(at + 6, at + 32), zip.subarray(at + 46, at + 46 + nameLength)]
    const header = Buffer.concat([zip.subarray(data + 4, data + 30), zip.subarray(data + 30, body)])
    safe(header.equals(Buffer.concat(twice)), `two headers of ${name}`)
    bytes += size
    safe(bytes <= 2 ** 30 && (size < 2 ** 20 || size <= packed * 200), `${name} unpacks to too much`)
    const content = zip.subarray(body, body + packed)
    files.set(name, method === 0 ? content : inflate(content, size))
    safe(files.get(name).length === size, `${name} does not have its size`)
    seen.add(name.toLowerCase())
    data = body + packed
    at += 46 + nameLength
  }
  safe(data === start && at === end, 'data that belongs to no file')
  return files
}
function inflate(packed, size) {
  const unpack = () => inflateRawSync(packed, { maxOutputLength: size + 1, info: true })
  const { buffer, engine } = attempt(unpack, 'BUNDLE_UNSAFE', 'a file cannot be unpacked')
  need(engine.bytesWritten === packed.length, 'BUNDLE_UNSAFE', 'data after a packed file')
  return buffer
}
function readFolder(folder) {
  const entries = readdirSync(folder, { recursive: true }).map((name) => [name, lstatSync(join(folder, name))])
  const odd = entries.find(([, stat]) => !stat.isFile() && !stat.isDirectory())
  need(!odd, 'BUNDLE_UNSAFE', `${odd?.[0]} is not a plain file`)
  const files = entries.filter(([, stat]) => stat.isFile())
  return new Map(files.map(([name]) => [name.replaceAll('\\', '/'), readFileSync(join(folder, name))]))
}
/** Whether a record is one that the query asked for. Linked records (`why: "link"`) are not compared. */
const answers = (record, { trace = record.traceId, session = record.session, sinceMs = 0, untilMs = Infinity }) =>
  record.traceId === trace && record.session === session && record.tsMs >= sinceMs && record.tsMs <= untilMs
function verifyBundle(files, { trust: given, pins, engines }) {
  const problems = []
  const report = (code, message) => problems.push({ code, message })
  const text = (name) => utf8(files.get(name) ?? need(false, 'MANIFEST_MISMATCH', `${name} is missing`))
  const trust = given ?? readTrust(text('keys/trust.json'))
  const envelope = parseJson(text('manifest.dsse.json'), 'MANIFEST_MISMATCH', 'the manifest')
  const type = 'application/vnd.in-toto+json'
  const { payload, trusted } = openEnvelope(envelope, type, { trust, engines }, 'MANIFEST_MISMATCH')
  if (!given || !trusted)
    report('UNTRUSTED_KEY', given ? 'made by a key you do not trust' : 'without --trust it only vouches for itself')
  const { subject, predicate, predicateType } = parseJson(utf8(payload), 'MANIFEST_MISMATCH', 'the manifest')
  need(predicateType === 'urn:sluicegate:evidence-bundle:v1', 'MANIFEST_MISMATCH', 'a statement about something else')
  const digests = new Map(subject.map(({ name, digest }) => [name, digest.sha256]))
  for (const name of new Set([...files.keys(), ...digests.keys()]))
    if (name !== 'manifest.dsse.json' && hexOf(sha256(files.get(name) ?? '')) !== digests.get(name))
      report('MANIFEST_MISMATCH', `${name} is not what the manifest says`)
  const streams = predicate.streams.map(({ stream, file, size, root }) => {
    const segments = [{ name: file, number: 1, bytes: files.get(file) ?? Buffer.alloc(0) }]
    const memory = [...pins, { stream, size, root, by: 'the manifest' }]
    return verifyStream({ stream, segments, trust, pins: memory, engines, hashes: true })
  })
  for (const line of text('records/index.jsonl').split('\n').slice(0, -1)) {
    const { stream, seq, leaf, why } = JSON.parse(line)
    const found = streams.find((one) => one.stream === stream)?.shown.get(seq)
    if (found?.leaf !== leaf) report('INCOMPLETE_TRACE', `record ${seq} of ${stream} is not shown`)
    else if (why === 'query' && !answers(found.record, predicate.query))
      report('SUBJECT_MISMATCH', `record ${seq} of ${stream} does not answer the query`)
  }
  return { streams, problems, pins }
}

// What to verify

const numberOf = (name) => Number(/^seg-([0-9]{8})\.log$/.exec(name)?.[1] ?? 0)
const segment = (file) => ({ name: basename(file), number: numberOf(basename(file)), bytes: readFileSync(file) })
const names = (folder, fits) => readdirSync(folder).filter(fits).sort()
const segmentsIn = (folder) => names(folder, numberOf).map((name) => segment(join(folder, name)))
const foldersIn = (folder) => names(folder, (name) => lstatSync(join(folder, name)).isDirectory())

/** What a genesis remembers of the stream before. It is judged, like every record, when its own stream is. */
function predecessor(folder, by) {
  try {
    const [first] = segmentsIn(folder)
    const { id, size, root } = JSON.parse(first.bytes.toString('utf8', 0, first.bytes.indexOf(9))).ext.prevStream
    return [{ stream: id, size, root, by }]
  } catch {
    return []
  }
}
function verifyData(data, options) {
  const own = join(data, 'trust.json')
  const trust = options.trust ?? (existsSync(own) ? readTrust(readFileSync(own, 'utf8')) : undefined)
  const root = join(data, 'streams')
  const folders = foldersIn(root).flatMap((gateway) =>
    foldersIn(join(root, gateway)).map((id) => join(root, gateway, id)),
  )
  const pins = [...options.pins, ...folders.flatMap((folder) => predecessor(folder, `stream ${basename(folder)}`))]
  const judge = (folder) => ({ ...options, trust, pins, stream: basename(folder), segments: segmentsIn(folder) })
  return { streams: folders.map((folder) => verifyStream(judge(folder))), problems: [], pins }
}
function verifyKind(path, options) {
  const one = (segments) => ({ streams: [verifyStream({ ...options, segments })], problems: [], pins: options.pins })
  if (lstatSync(path).isDirectory() && existsSync(join(path, 'streams'))) return verifyData(path, options)
  if (existsSync(join(path, 'manifest.dsse.json'))) return verifyBundle(readFolder(path), options)
  if (lstatSync(path).isDirectory()) return one(segmentsIn(path))
  const file = segment(path)
  const zipped = file.bytes.toString('latin1', 0, 2) === 'PK'
  if (zipped)
    return verifyBundle(
      attempt(() => readZip(file.bytes), 'BUNDLE_UNSAFE', 'no readable zip'),
      options,
    )
  if (file.number <= 1) return one([{ ...file, number: 1 }])
  const problem = { code: 'SEGMENT_ALONE', segment: file.name, message: 'a later segment: verify its whole directory' }
  return { streams: [], problems: [problem], pins: [] }
}
function readAnchor(file) {
  const text = readFileSync(file, 'utf8').trim()
  const note = text.startsWith('C\t') ? Buffer.from(text.slice(2), 'base64url').toString() : text
  const [, stream, size, root] = /^[^\n]+\/evidence\/([^\n]+)\n([0-9]+)\n([^\n]+)\n/.exec(note) ?? []
  if (!stream) throw new Error(`${file} holds no checkpoint`)
  return { stream, size: Number(size), root: Buffer.from(root, 'base64').toString('hex'), by: 'the anchor' }
}

/** Verifies whatever `path` is. Throws when it cannot be read; everything else is in the report. */
export function verifyPath(path, { trust, anchor, engines = [openssl] } = {}) {
  const pins = anchor ? [readAnchor(anchor)] : []
  const options = { trust: trust && readTrust(readFileSync(trust, 'utf8')), pins, engines }
  const flawed = (problem) => ({ streams: [], pins: [], problems: [problem] })
  let found
  try {
    found = verifyKind(path, options)
  } catch (error) {
    if (error.syscall) throw error
    found = flawed({ code: error.verdict ?? 'MANIFEST_MISMATCH', message: error.message })
  }
  const problems = [...found.problems, ...found.streams.flatMap((stream) => stream.problems)]
  for (const { stream, by } of found.pins.filter((pin) => !found.streams.some(({ stream }) => stream === pin.stream)))
    problems.push({ code: 'STREAM_MISSING', stream, message: `${by} remembers it, and it is not here` })
  const exit = problems.some(({ code }) => !soft.has(code)) ? 1 : problems.length > 0 ? 2 : 0
  const records = found.streams.reduce((sum, stream) => sum + stream.records, 0)
  const streams = found.streams.map(({ summary }) => summary)
  return { ok: exit === 0, exit, records, streams, problems }
}
async function main() {
  const [text, flag] = [{ type: 'string' }, { type: 'boolean' }]
  const options = { trust: text, anchor: text, 'cross-check': flag, json: flag }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (positionals.length !== 1) throw new Error(`Usage: ${usage}`)
  const engines = [openssl]
  if (values['cross-check']) engines.push(tweetnacl((await import('tweetnacl')).default))
  const { exit, ...report } = verifyPath(positionals[0], { ...values, engines })
  const verdict = ['INTACT', 'TAMPERED', 'INCOMPLETE OR UNTRUSTED'][exit]
  const lines = report.problems.map(({ code, message, ...place }) => `${code}: ${message} ${JSON.stringify(place)}`)
  lines.push(`${verdict}: ${report.records} records in ${report.streams.length} streams`)
  process.stdout.write(`${values.json ? JSON.stringify(report) : lines.join('\n')}\n`)
  return exit
}
const refuse = (error) => process.stderr.write(`${error.message}\n`) && 3
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = await main().catch(refuse)
