import { createWriteStream } from 'node:fs'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { inflateRawSync } from 'node:zlib'
import { fromBufferPromise } from 'yauzl'
import type { Entry, LocalFileHeader } from 'yauzl'
import { ZipFile } from 'yazl'
import { demand, Flaw } from '../evidence/problem.ts'

/** Most that a bundle may unpack to. */
const unpackedBytesMax = 2 ** 30
/** How many times larger than packed a file of a mebibyte or more may be. */
const ratioMax = 200
const ratioFromBytes = 2 ** 20

/** Names a bundle may have: plain words between slashes, none of which begins with a dot. */
const nameForm = /^[\w~-][\w.~-]*(\/[\w~-][\w.~-]*)*$/

const endBytes = 22
const stored = 0
const deflated = 8
const utf8Flag = 0x0800
const regularFile = 0x8000

/** The same date in every file. Local parts, because a zip's dates have no zone. */
const mtime = new Date(1980, 0, 1)

/** Writes files as a zip whose bytes depend on names and contents alone. Leaves nothing half-written under that name. */
export async function writeBundle(file: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  const zip = new ZipFile()
  for (const name of [...files.keys()].sort()) {
    demand(nameForm.test(name), 'BUNDLE_UNSAFE', `${name} is no name for a file in a bundle.`)
    zip.addBuffer(files.get(name) as Buffer, name, { mtime, mode: 0o100644, forceDosTimestamp: true })
  }
  zip.end()
  const draft = `${file}.${process.pid}.tmp`
  try {
    await pipeline(zip.outputStream, createWriteStream(draft, { mode: 0o600 }))
    await rename(draft, file)
  } finally {
    await rm(draft, { force: true })
  }
}

/** The files of an unpacked bundle. Throws a `Flaw` for anything that is neither file nor folder. */
export async function readBundleFolder(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name)
    const name = path.relative(folder, file).split(path.sep).join('/')
    demand(entry.isFile() || entry.isDirectory(), 'BUNDLE_UNSAFE', `${name} is not a plain file.`)
    if (entry.isFile()) files.set(name, await readFile(file))
  }
  return files
}

/**
 * The files of a zipped bundle. Throws a `Flaw` unless every byte is accounted for: plain files one after another, sane
 * names, two headers that agree, nothing between or behind them.
 */
export async function readBundleZip(bytes: Buffer): Promise<ReadonlyMap<string, Buffer>> {
  try {
    return await readEntries(bytes)
  } catch (error) {
    if (error instanceof Flaw) throw error
    throw new Flaw('BUNDLE_UNSAFE', `The zip cannot be read: ${(error as Error).message}.`)
  }
}

async function readEntries(bytes: Buffer): Promise<ReadonlyMap<string, Buffer>> {
  const zip = await fromBufferPromise(bytes, { lazyEntries: true, strictFileNames: true })
  const directory = directoryOf(bytes)
  const files = new Map<string, Buffer>()
  const names = new Set<string>()
  let next = 0
  let unpackedBytes = 0
  for await (const entry of zip.eachEntry()) {
    checkEntry(entry, names)
    unpackedBytes += entry.uncompressedSize
    demand(unpackedBytes <= unpackedBytesMax, 'BUNDLE_UNSAFE', 'The bundle unpacks to too much.')
    const header = await zip.readLocalFileHeaderPromise(entry)
    checkHeaders(entry, header)
    const begins = header.fileDataStart
    demand(entry.relativeOffsetOfLocalHeader === next, 'BUNDLE_UNSAFE', `Bytes before ${entry.fileName}.`)
    next = begins + entry.compressedSize
    demand(next <= directory.start, 'BUNDLE_UNSAFE', `${entry.fileName} reaches into the directory.`)
    files.set(entry.fileName, unpacked(entry, bytes.subarray(begins, next)))
  }
  demand(next === directory.start, 'BUNDLE_UNSAFE', 'Bytes that belong to no file.')
  demand(files.size === directory.entries, 'BUNDLE_UNSAFE', 'The directory is of another length.')
  return files
}

/** Where the directory begins. Throws a `Flaw` unless it is followed by its end record, and that by nothing. */
function directoryOf(bytes: Buffer): { readonly start: number; readonly entries: number } {
  const end = bytes.length - endBytes
  const [disks, start, size] = [bytes.readUInt32LE(end + 4), bytes.readUInt32LE(end + 16), bytes.readUInt32LE(end + 12)]
  const entries = bytes.readUInt16LE(end + 10)
  const whole = bytes.readUInt32LE(end) === 0x06054b50 && disks === 0 && bytes.readUInt16LE(end + 8) === entries
  demand(whole && bytes.readUInt16LE(end + 20) === 0, 'BUNDLE_UNSAFE', 'The zip does not end with its end record.')
  demand(start + size === end, 'BUNDLE_UNSAFE', 'Bytes around the directory.')
  return { start, entries }
}

function checkEntry(entry: Entry, names: Set<string>): void {
  const { fileName, generalPurposeBitFlag, compressionMethod, uncompressedSize, compressedSize } = entry
  demand(nameForm.test(fileName), 'BUNDLE_UNSAFE', `The name ${JSON.stringify(fileName)}.`)
  // Two names that differ in case only are one file on many systems.
  demand(!names.has(fileName.toLowerCase()), 'BUNDLE_UNSAFE', `${fileName} is there twice.`)
  names.add(fileName.toLowerCase())
  const kind = (entry.externalFileAttributes >>> 16) & 0xf000
  const plain = kind === 0 || kind === regularFile
  demand(
    plain && entry.extraFieldLength === 0 && entry.fileCommentLength === 0,
    'BUNDLE_UNSAFE',
    `${fileName} is not a plain file.`,
  )
  const usual = (generalPurposeBitFlag & ~utf8Flag) === 0 && [stored, deflated].includes(compressionMethod)
  demand(usual, 'BUNDLE_UNSAFE', `${fileName} is packed in a way nobody needs.`)
  const modest = uncompressedSize < ratioFromBytes || uncompressedSize <= compressedSize * ratioMax
  demand(modest, 'BUNDLE_UNSAFE', `${fileName} unpacks to too much.`)
}

const twice = [
  'versionNeededToExtract',
  'generalPurposeBitFlag',
  'compressionMethod',
  'lastModFileTime',
  'lastModFileDate',
  'crc32',
  'compressedSize',
  'uncompressedSize',
  'fileNameLength',
  'extraFieldLength',
] as const

function checkHeaders(entry: Entry, header: LocalFileHeader): void {
  const agree = twice.every((field) => entry[field] === header[field]) && header.fileName.toString() === entry.fileName
  demand(agree, 'BUNDLE_UNSAFE', `Two headers of ${entry.fileName} disagree.`)
}

function unpacked({ fileName, compressionMethod, uncompressedSize }: Entry, packed: Buffer): Buffer {
  const bytes = compressionMethod === stored ? packed : inflated(fileName, packed, uncompressedSize)
  demand(bytes.length === uncompressedSize, 'BUNDLE_UNSAFE', `${fileName} does not have its size.`)
  return bytes
}

function inflated(name: string, packed: Buffer, sizeBytes: number): Buffer {
  // With `info`, Node gives the engine beside the bytes; its count shows data hidden behind the last block.
  const { buffer, engine } = inflateRawSync(packed, { maxOutputLength: sizeBytes + 1, info: true }) as unknown as {
    buffer: Buffer
    engine: { bytesWritten: number }
  }
  demand(engine.bytesWritten === packed.length, 'BUNDLE_UNSAFE', `Bytes behind ${name}.`)
  return buffer
}
