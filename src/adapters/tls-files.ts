import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from '../ports/clock.ts'
import { fileMark } from './file-mark.ts'
import { rounds } from './rounds.ts'
import { certificateFacts, certificateLimits, type CertificateFacts } from './tls-certificate.ts'
import { judgePair, type PairTexts } from './tls-pair.ts'
import { rehearse } from './tls-rehearsal.ts'

/** What a pair is for, and where its files are. */
export interface TlsFiles {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
  readonly issuedBy?: string
}

export interface TlsFilesOptions {
  /** What operators call it, e.g. `listen`. */
  readonly name: string
  readonly files: TlsFiles
  readonly use: 'server' | 'client'
  readonly minVersion: '1.2' | '1.3'
  /** Age in days after which the certificate is due. */
  readonly rotationDays?: number
  /** Refuse a key that anybody but its owner may read. */
  readonly strictKey: boolean
  readonly clock: Clock
  readonly told: (event: CertificateEvent) => void
  /** How often the files are looked at, milliseconds. */
  readonly everyMs?: number
}

/** What happened to a certificate. Each is told once, `due` once a day. */
export interface CertificateEvent {
  readonly kind: 'loaded' | 'refused' | 'due'
  readonly name: string
  /** Sentences; none for a pair that was taken in. */
  readonly why: readonly string[]
  readonly facts?: CertificateFacts
}

/** A pair that is read again when its files change. */
export interface TlsSource {
  readonly name: string
  /** What the next handshake is to use: complete, with the version and everything else. */
  current(): SecureContextOptions
  /** Of the certificate in use, as of now; undefined where there is none. */
  facts(): CertificateFacts | undefined
  /** Hands over each new pair from here on. When that throws, the old pair stays. */
  follow(take: (context: SecureContextOptions) => void): void
  /** Runs once the source is closed. */
  onClose(run: () => void): void
  /** True from then on: nothing is handed over, and nobody runs when it is closed. */
  isClosed(): boolean
  close(): void
}

interface Usable {
  readonly ok: true
  readonly context: SecureContextOptions
  readonly facts?: CertificateFacts
}
type Read = Usable | { readonly ok: false; readonly why: readonly string[]; readonly facts?: CertificateFacts }

/** Looks until a refused pair is judged again though nothing changed: it may only have been too early for it. */
const looksUntilAgain = 60
const dayMs = 86_400_000

/**
 * Opens a certificate with its key and authorities, and looks once a second whether they changed. A change is judged when
 * it has stood still for one look, so that two files may be replaced one after the other. A pair that is not good is told
 * and the old one stays. Rejects, with every reason, when there is nothing good to begin with.
 */
export async function tlsFiles(options: TlsFilesOptions): Promise<TlsSource> {
  const { name, clock, told, everyMs = 1_000 } = options
  let judged = await marksOf(options.files)
  const first = await read(options)
  if (!first.ok) throw new Error(`The certificate of ${name} cannot be used: ${first.why.join(' ')}`)
  let inUse: Usable = first
  let settling = judged
  let refusedWhy: string | undefined
  let looks = 0
  let dueDay: number | undefined
  let closed = false
  const takers: ((context: SecureContextOptions) => void)[] = []
  const closers: (() => void)[] = []
  const tell = (kind: CertificateEvent['kind'], why: readonly string[], facts?: CertificateFacts) =>
    told({ kind, name, why: why.map((sentence) => withoutFolders(sentence, options.files)), ...(facts && { facts }) })

  function facts(): CertificateFacts | undefined {
    return inUse.facts && factsOf(inUse.context, options)
  }

  async function look(): Promise<void> {
    const marks = await marksOf(options.files)
    const still = marks === settling
    settling = marks
    looks += 1
    const again = refusedWhy !== undefined && looks % looksUntilAgain === 0
    if (!still || (marks === judged && !again)) return
    const next = await read(options)
    // What changed while it was read is judged at the next look.
    if ((await marksOf(options.files)) !== marks) return
    judged = marks
    take(next)
  }

  function take(next: Read): void {
    const refused = next.ok ? handOver(next.context) : next.why
    if (refused === undefined) {
      inUse = next as Usable
      refusedWhy = undefined
      dueDay = undefined
      return tell('loaded', [], next.facts)
    }
    const why = refused.join(' ')
    if (why !== refusedWhy) tell('refused', refused, next.facts)
    refusedWhy = why
  }

  function handOver(context: SecureContextOptions): readonly string[] | undefined {
    try {
      for (const one of takers) one(context)
      return undefined
    } catch (error) {
      for (const one of takers) one(inUse.context)
      return [`It could not be put to use (${(error as { code?: string }).code ?? 'failed'}).`]
    }
  }

  function tellDue(): void {
    const day = Math.floor(clock.nowMs() / dayMs)
    const known = day === dueDay ? undefined : facts()
    if (!known) return
    dueDay = day
    if (known.due.length > 0) tell('due', known.due, known)
  }

  const looking = rounds({
    everyMs,
    async run() {
      await look()
      tellDue()
    },
    fault: ignored,
  })
  tell('loaded', [], first.facts)
  tellDue()
  return {
    name,
    current: () => inUse.context,
    facts,
    follow: (one) => void takers.push(one),
    onClose: (run) => void closers.push(run),
    isClosed: () => closed,
    close() {
      closed = true
      void looking.close()
      for (const run of closers.splice(0)) run()
    },
  }
}

/** What is told ends up in evidence, which travels: where the files of this machine are is nobody's business there. */
function withoutFolders(sentence: string, files: TlsFiles): string {
  return Object.values(files).reduce((text: string, file: string) => text.replaceAll(file, basename(file)), sentence)
}

/** A look never rejects for what is in the files: they are judged. What is left is told by the next look. */
const ignored = (): void => undefined

function factsOf({ cert }: SecureContextOptions, { clock, rotationDays }: TlsFilesOptions): CertificateFacts {
  return certificateFacts(new X509Certificate(cert as string), clock.nowMs(), limitsOf(rotationDays))
}

const limitsOf = (ageDaysMax = certificateLimits.ageDaysMax) => ({ ...certificateLimits, ageDaysMax })

async function read(options: TlsFilesOptions): Promise<Read> {
  const { files, use, minVersion, strictKey, clock, rotationDays } = options
  const { texts, why } = await textsOf(files, strictKey)
  if (why.length > 0) return { ok: false, why }
  const judged = judgePair(texts, { use, nowMs: clock.nowMs(), limits: limitsOf(rotationDays) })
  if (!judged.ok) return judged
  const context = { ...judged.context, ...protocol(minVersion) }
  const failed = await rehearse(context)
  const facts = judged.facts && { facts: judged.facts }
  return failed === undefined ? { ok: true, context, ...facts } : { ok: false, why: [failed], ...facts }
}

/** With 1.2, only forward secret ciphers that authenticate what they encrypt. */
function protocol(minVersion: '1.2' | '1.3'): SecureContextOptions {
  if (minVersion === '1.3') return { minVersion: 'TLSv1.3' }
  return { minVersion: 'TLSv1.2', ciphers: ciphers12, ecdhCurve: 'auto' }
}

const ciphers12 =
  'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:' +
  'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:' +
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256'

const kinds = ['cert', 'key', 'ca', 'issuedBy'] as const
const sizeBytesMax = 1024 * 1024

async function textsOf(files: TlsFiles, strictKey: boolean): Promise<{ texts: PairTexts; why: readonly string[] }> {
  const texts: Partial<Record<(typeof kinds)[number], string>> = {}
  const why: string[] = []
  for (const kind of kinds) {
    const file = files[kind]
    if (file === undefined) continue
    try {
      const { mode, size } = await stat(file)
      if (size > sizeBytesMax) why.push(`${file} is larger than 1 MiB.`)
      else texts[kind] = await readFile(file, 'utf8')
      if (kind === 'key' && strictKey && process.platform !== 'win32' && (mode & 0o077) !== 0)
        why.push(`${file} can be read by others; run "chmod 600 ${file}", and replace the key if someone may have.`)
    } catch (error) {
      why.push(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`)
    }
  }
  return { texts, why }
}

/** Changes whenever one of the files does; links are followed. */
async function marksOf(files: TlsFiles): Promise<string> {
  const marks = kinds.map(async (kind) => {
    const file = files[kind]
    return file === undefined ? '' : fileMark(file).catch(() => 'gone')
  })
  return (await Promise.all(marks)).join('|')
}
