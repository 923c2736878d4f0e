import path from 'node:path'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { AppendFile, Files } from '../../src/adapters/files.ts'

/*
 * A file system in memory that knows what a power cut would leave: bytes count as durable after `datasync`, names after
 * `syncDirectory`. One operation can be made to fail. Operations are numbered from 1; run the same work with 1, 2, 3 …
 * until it no longer reaches the fault.
 */

/** What happens at one operation. */
export type Fault =
  /** It fails with this code and has no effect. A failed flush loses what it was to flush, for good, and says so once. */
  | { readonly kind: 'error'; readonly at: number; readonly code: 'EIO' | 'ENOSPC' }
  /** It and everything after it fails with ENOSPC. */
  | { readonly kind: 'full'; readonly at: number }
  /** A write takes some of the bytes without a word, and the next operation fails with ENOSPC. */
  | { readonly kind: 'short'; readonly at: number }
  /** A write takes some of the bytes without a word, and the next takes the rest. */
  | { readonly kind: 'partial'; readonly at: number }
  /** The process is gone before the operation, or halfway through a write. Nothing answers from here on. */
  | { readonly kind: 'stop'; readonly at: number }

/** What of the bytes and names that were never made durable is there after a power cut. */
export type Survival = 'nothing' | 'half' | 'most' | 'everything' | 'a hole'

export interface FaultFiles extends Files {
  /** Operations so far. */
  count(): number
  /** True once the fault has happened. */
  hit(): boolean
  /** The files as the next process finds them when this one was killed: everything written is there. */
  afterKill(fault?: Fault): FaultFiles
  /** The files as the next process finds them when the machine lost power. */
  afterPowerCut(survival: Survival, fault?: Fault): FaultFiles
  /** Changes a file behind everybody's back. */
  change(file: string, edit: (latin1: string) => string): void
  /** True when some file holds the text. */
  contains(text: string): boolean
  /** Copies everything to a real directory. */
  copyTo(directory: string): void
}

interface FileNode {
  readonly kind: 'file'
  live: Buffer
  durable: Buffer
  /** A flush failed once: later flushes report success, and the bytes are gone. */
  lost: boolean
}

interface DirectoryNode {
  readonly kind: 'directory'
  readonly live: Map<string, Node>
  readonly durable: Map<string, Node>
}

type Node = FileNode | DirectoryNode

export function faultFiles(fault?: Fault, root: DirectoryNode = directoryNode()): FaultFiles {
  let operations = 0
  let hit = false
  let stopped = false
  let failsNext = false

  /** Counts an operation. Gives how much of a write is taken, or throws what it is to fail with. */
  function operate(isWrite = false): 'all' | 'some' {
    if (stopped) throw errorOf('STOPPED')
    operations++
    if (failsNext) {
      failsNext = false
      throw errorOf('ENOSPC')
    }
    if (fault === undefined || operations < fault.at || (operations > fault.at && fault.kind !== 'full')) return 'all'
    hit = true
    if (fault.kind === 'full') throw errorOf('ENOSPC')
    if (fault.kind === 'error') throw errorOf(fault.code)
    if (fault.kind === 'partial') return 'some'
    if (fault.kind === 'short') return isWrite ? ((failsNext = true), 'some') : 'all'
    stopped = true
    if (isWrite) return 'some'
    throw errorOf('STOPPED')
  }

  function appendTo(node: FileNode): AppendFile {
    return {
      async write(bytes) {
        const taken = operate(true) === 'all' ? bytes : bytes.subarray(0, Math.floor(bytes.length / 2))
        node.live = Buffer.concat([node.live, taken])
        if (stopped) throw errorOf('STOPPED')
        return taken.length
      },
      async datasync() {
        try {
          operate()
        } catch (error) {
          node.lost = true
          throw error
        }
        if (!node.lost) node.durable = node.live
      },
      close: async () => undefined,
    }
  }

  const files: FaultFiles = {
    count: () => operations,
    hit: () => hit,
    async makeDirectory(directory) {
      operate()
      const parent = directoryAt(path.dirname(directory))
      const name = path.basename(directory)
      if (!parent.live.has(name)) parent.live.set(name, directoryNode())
      parent.durable.set(name, parent.live.get(name) as Node)
    },
    async list(directory) {
      if (stopped) throw errorOf('STOPPED')
      const node = find(directory)
      return node?.kind === 'directory' ? [...node.live.keys()].sort() : []
    },
    async *read(file, from = 0) {
      if (stopped) throw errorOf('STOPPED')
      yield fileAt(file).live.subarray(from)
    },
    size: async (file) => fileAt(file).live.length,
    async create(file) {
      operate()
      const parent = directoryAt(path.dirname(file))
      if (parent.live.has(path.basename(file))) throw errorOf('EEXIST')
      const node: FileNode = { kind: 'file', live: Buffer.alloc(0), durable: Buffer.alloc(0), lost: false }
      parent.live.set(path.basename(file), node)
      return appendTo(node)
    },
    async createWhole(file, content) {
      operate()
      const parent = directoryAt(path.dirname(file))
      if (parent.live.has(path.basename(file))) return false
      const bytes = Buffer.from(content)
      const node: FileNode = { kind: 'file', live: bytes, durable: bytes, lost: false }
      parent.live.set(path.basename(file), node)
      parent.durable.set(path.basename(file), node)
      return true
    },
    async truncate(file, sizeBytes) {
      operate()
      const node = fileAt(file)
      node.live = node.live.subarray(0, sizeBytes)
      node.durable = node.live
    },
    async rename(from, to) {
      operate()
      const parent = directoryAt(path.dirname(from))
      const node = parent.live.get(path.basename(from))
      if (node === undefined) throw errorOf('ENOENT')
      parent.live.delete(path.basename(from))
      directoryAt(path.dirname(to)).live.set(path.basename(to), node)
    },
    async remove(file) {
      operate()
      if (!directoryAt(path.dirname(file)).live.delete(path.basename(file))) throw errorOf('ENOENT')
    },
    async syncDirectory(directory) {
      operate()
      const node = directoryAt(directory)
      node.durable.clear()
      for (const [name, entry] of node.live) node.durable.set(name, entry)
    },
    afterKill: (next) => faultFiles(next, survivors(root, 'everything')),
    afterPowerCut: (survival, next) => faultFiles(next, survivors(root, survival)),
    change(file, edit) {
      const node = fileAt(file)
      node.live = node.durable = Buffer.from(edit(node.live.toString('latin1')), 'latin1')
    },
    contains: (text) => holdsText(root, text),
    copyTo: (directory) => copyNode(root, directory),
  }
  return files

  function find(place: string): Node | undefined {
    let node: Node | undefined = root
    for (const name of place.split('/').filter((part) => part !== ''))
      node = node?.kind === 'directory' ? node.live.get(name) : undefined
    return node
  }
  function directoryAt(place: string): DirectoryNode {
    const node = find(place)
    if (node?.kind !== 'directory') throw errorOf('ENOENT')
    return node
  }
  function fileAt(place: string): FileNode {
    const node = find(place)
    if (node?.kind !== 'file') throw errorOf('ENOENT')
    return node
  }
}

function survivors(node: DirectoryNode, survival: Survival): DirectoryNode {
  const left = directoryNode()
  // Names are all there or only the durable ones; a half of them would be no different from an earlier moment.
  for (const [name, entry] of survival === 'nothing' ? node.durable : node.live) {
    const copy = entry.kind === 'directory' ? survivors(entry, survival) : survivingFile(name, entry, survival)
    left.live.set(name, copy)
    left.durable.set(name, copy)
  }
  return left
}

function survivingFile(name: string, { live, durable }: FileNode, survival: Survival): FileNode {
  // The lock names this very process, which a test cannot kill.
  if (name === 'lock') live = durable = Buffer.from('999999999 gone\n')
  const unsynced = live.subarray(durable.length)
  const kept = {
    nothing: Buffer.alloc(0),
    half: unsynced.subarray(0, Math.floor(unsynced.length / 2)),
    most: unsynced.subarray(0, Math.floor(unsynced.length * 0.8)),
    everything: unsynced,
    // The file system wrote the later blocks and not the first: they read as zeros.
    'a hole': Buffer.concat([
      Buffer.alloc(Math.floor(unsynced.length / 2)),
      unsynced.subarray(Math.floor(unsynced.length / 2)),
    ]),
  }[survival]
  const bytes = Buffer.concat([durable, kept])
  return { kind: 'file', live: bytes, durable: bytes, lost: false }
}

function holdsText(node: Node, text: string): boolean {
  if (node.kind === 'file') return node.live.includes(text)
  return [...node.live.values()].some((entry) => holdsText(entry, text))
}

function copyNode(node: Node, place: string): void {
  if (node.kind === 'file') return writeFileSync(place, node.live)
  mkdirSync(place, { recursive: true })
  for (const [name, entry] of node.live) copyNode(entry, path.join(place, name))
}

function directoryNode(): DirectoryNode {
  return { kind: 'directory', live: new Map(), durable: new Map() }
}

function errorOf(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made to fail by a test`), { code })
}
