import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/adapters/clock-system.ts'
import {
  tlsFiles,
  type CertificateEvent,
  type TlsFilesOptions,
  type TlsSource,
} from '../../../src/adapters/tls-files.ts'
import { authority, pairFiles, type Pair } from '../../support/certificates.ts'
import { testClock } from '../../support/clock.ts'
import { until } from '../../support/until.ts'

const ours = authority('ours')
const other = authority('other')

const open: (() => void)[] = []
afterEach(() => void vi.useRealTimers())
afterEach(() => open.splice(0).forEach((close) => close()))

interface Bench {
  readonly directory: string
  readonly files: { readonly cert: string; readonly key: string }
  readonly told: CertificateEvent[]
  readonly source: TlsSource
  /** Resolves once so many events were told. */
  events(count: number): Promise<readonly string[]>
}

async function bench(first: Pair = ours.issue('gate'), more: Partial<TlsFilesOptions> = {}): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'tls-files-'))
  const files = pairFiles(directory, first)
  const told: CertificateEvent[] = []
  const source = await tlsFiles({
    name: 'listen',
    files: { ...files, ...more.files },
    use: 'server',
    minVersion: '1.3',
    strictKey: true,
    clock: systemClock(),
    told: (event) => void told.push(event),
    everyMs: 5,
    ...Object.fromEntries(Object.entries(more).filter(([name]) => name !== 'files')),
  })
  open.push(() => {
    source.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const events = async (count: number) => {
    await until(() => told.length >= count, `${count} events`)
    return told.map(({ kind }) => kind)
  }
  return { directory, files, told, source, events }
}

/** Many looks, for what must not happen. */
const aWhile = () => after(120)

describe('a certificate in files', () => {
  it('is taken in when both files have changed, and handed over once', async () => {
    const { directory, source, events } = await bench()
    const taken: unknown[] = []
    source.follow(({ cert }) => void taken.push(cert))
    const next = ours.issue('gate')
    pairFiles(directory, next)
    expect(await events(2)).toEqual(['loaded', 'loaded'])
    await aWhile()
    expect(taken).toEqual([next.cert])
    expect(source.current()).toMatchObject({ cert: next.cert, key: next.key, minVersion: 'TLSv1.3' })
  })

  it('is taken in through a link that leads elsewhere now, as orchestrators mount it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tls-links-'))
    const [first, second] = [ours.issue('gate'), ours.issue('gate')]
    const old = pairFiles(directory, first, 'old')
    const fresh = pairFiles(directory, second, 'new')
    const files = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }
    const link = (to: typeof files) => {
      for (const kind of ['cert', 'key'] as const) {
        symlinkSync(to[kind], `${files[kind]}.next`)
        renameSync(`${files[kind]}.next`, files[kind])
      }
    }
    link(old)
    const { source, events } = await bench(first, { files })
    link(fresh)
    await events(2)
    expect(source.current().cert).toBe(second.cert)
    rmSync(directory, { recursive: true, force: true })
  })

  it.each<readonly [string, (directory: string, files: Bench['files']) => void, RegExp]>([
    [
      'does not match its key',
      (dir) => writeFileSync(join(dir, 'gate.crt'), ours.issue('gate').cert),
      /does not belong/,
    ],
    ['has expired', (dir) => pairFiles(dir, ours.issue('gate', { fromDays: -9, toDays: -1 })), /expired/],
    ['comes from elsewhere', (dir) => pairFiles(dir, other.issue('gate')), /none of the authorities/],
    ['is half written', (_dir, { cert }) => truncateSync(cert, 200), /cut short/],
    ['is empty', (_dir, { cert }) => truncateSync(cert, 0), /no PEM certificate/],
    ['is gone', (_dir, { cert }) => rmSync(cert), /cannot be read \(ENOENT\)/],
    ['has a key that others can read', (_dir, { key }) => chmodSync(key, 0o644), /can be read by others/],
    ['has a key that is gone', (_dir, { key }) => rmSync(key), /cannot be read \(ENOENT\)/],
  ])('that %s is refused and told once, and the old one stays', async (_what, spoil, sentence) => {
    const issuedBy = join(mkdtempSync(join(tmpdir(), 'tls-ca-')), 'ca.crt')
    writeFileSync(issuedBy, ours.cert)
    const first = ours.issue('gate')
    const { directory, files, source, told, events } = await bench(first, { files: { issuedBy } })
    spoil(directory, files)
    expect(await events(2)).toEqual(['loaded', 'refused'])
    await aWhile()
    expect(told).toHaveLength(2)
    expect(told[1]?.why.join(' ')).toMatch(sentence)
    expect(told[1]?.why.join(' ')).not.toContain(directory)
    expect(source.current()).toMatchObject(first)
  })

  it('that was refused is taken in once it is whole', async () => {
    const { directory, source, events, files } = await bench()
    truncateSync(files.key, 10)
    expect(await events(2)).toEqual(['loaded', 'refused'])
    const next = ours.issue('gate')
    pairFiles(directory, next)
    expect(await events(3)).toEqual(['loaded', 'refused', 'loaded'])
    expect(source.current().cert).toBe(next.cert)
  })

  it('is not judged while it changes: one file may be replaced after the other', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { source, told, files } = await bench()
    const look = async () => {
      vi.advanceTimersToNextTimer()
      while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const next = ours.issue('gate')
    writeFileSync(files.cert, next.cert)
    await look()
    writeFileSync(files.key, next.key)
    await look()
    expect(told).toHaveLength(1)
    await look()
    expect(told.map(({ kind }) => kind)).toEqual(['loaded', 'loaded'])
    expect(source.current()).toMatchObject(next)
  })

  it('that was not valid yet is taken in once it is, though its files stand still', async () => {
    const clock = testClock(Date.now())
    const { directory, source, events } = await bench(ours.issue('gate'), { clock })
    const next = ours.issue('gate', { fromDays: 1 })
    pairFiles(directory, next)
    expect(await events(2)).toEqual(['loaded', 'refused'])
    clock.advance(25 * 3_600_000)
    expect(await events(3)).toEqual(['loaded', 'refused', 'loaded'])
    expect(source.current().cert).toBe(next.cert)
  })

  it('that cannot be put to use is refused, and the old one handed back', async () => {
    const first = ours.issue('gate')
    const { directory, source, events } = await bench(first)
    const taken: unknown[] = []
    source.follow(({ cert }) => {
      taken.push(cert)
      if (cert !== first.cert) throw new Error('no')
    })
    const next = ours.issue('gate')
    pairFiles(directory, next)
    expect(await events(2)).toEqual(['loaded', 'refused'])
    expect(taken).toEqual([next.cert, first.cert])
    expect(source.current().cert).toBe(first.cert)
  })

  it('is told to be due at the start, and once a day', async () => {
    const clock = testClock(Date.now())
    const { told, events } = await bench(ours.issue('gate', { fromDays: -100, toDays: 300 }), { clock })
    expect(await events(2)).toEqual(['loaded', 'due'])
    expect(told[1]?.why).toEqual(['It is 100 days old; renew it every 90 days.'])
    await aWhile()
    expect(told).toHaveLength(2)
    clock.advance(24 * 3_600_000)
    expect(await events(3)).toEqual(['loaded', 'due', 'due'])
  })

  it('is due when its own section says so', async () => {
    const pair = ours.issue('gate', { fromDays: -40, toDays: 300 })
    expect((await bench(pair, { rotationDays: 30 })).told.map(({ kind }) => kind)).toEqual(['loaded', 'due'])
  })

  it('is looked at no more once it is closed', async () => {
    const { directory, source, told } = await bench()
    source.close()
    pairFiles(directory, ours.issue('gate'))
    await aWhile()
    expect(told).toHaveLength(1)
  })

  it('is an error to begin with when it cannot be used, with every reason', async () => {
    await expect(bench(ours.issue('gate', { toDays: -1, fromDays: -2, use: ['client'] }))).rejects.toThrow(
      /^The certificate of listen cannot be used: .*expired.*not for a server/,
    )
    const readable = mkdtempSync(join(tmpdir(), 'tls-open-'))
    const files = pairFiles(readable, ours.issue('gate'))
    chmodSync(files.key, 0o640)
    await expect(bench(ours.issue('gate'), { files })).rejects.toThrow(/chmod 600/)
    const { source } = await bench(ours.issue('gate'), { files, strictKey: false })
    expect(source.facts()?.subject).toBe('gate')
  })
})
