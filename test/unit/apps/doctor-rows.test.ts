import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Check, DoctorOptions } from '../../../src/apps/doctor.ts'
import { dataFinding } from '../../../src/apps/doctor/data.ts'
import { clocksFinding } from '../../../src/apps/doctor/outside.ts'
import { processFinding } from '../../../src/apps/doctor/process.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { testClock } from '../../support/clock.ts'
import { canary, doctorBench, namesOf, type DoctorBench } from '../../support/doctor-place.ts'

let bench: DoctorBench
beforeAll(async () => {
  bench = await doctorBench()
})
afterAll(() => bench[Symbol.asyncDispose]())

const rewritten = (folder: string, change: (text: string) => string) => {
  const file = join(folder, 'sluicegate.yaml')
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}
const streamIn = (folder: string) => {
  const root = join(folder, 'data', 'streams')
  const logs = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'))
  return join(root, logs.sort().at(-1) ?? '')
}
const found = (checks: readonly Check[], name: string) => checks.find((one) => one.name === name)?.detail

/** The same configuration, judged as production judges it. */
function inProduction(folder: string): Partial<DoctorOptions> {
  const loaded = loadConfig(join(folder, 'sluicegate.yaml'))
  return { loaded: { ...loaded, ...(loaded.config && { config: { ...loaded.config, mode: 'production' } }) } }
}

describe('doctor', () => {
  it.each<[string, string, (folder: string) => void, RegExp]>([
    ['admin token', 'one that is empty', (f) => writeFileSync(join(f, 'data/keys/admin.token'), ''), /is empty/],
    [
      'issuers',
      'an address that gives no keys',
      (f) => rewritten(f, (text) => text.replace('jwks: jwks.json', `jwks: '${bench.url}/jwks'`)),
      /it answered 404/,
    ],
    [
      'detections',
      'a stage for one that there is not',
      (f) => rewritten(f, (text) => text.replace('detector: {', 'detector: { stages: { rules: { none: ask } },')),
      /no detection 'none'/,
    ],
  ])('finds bad, under %s and nowhere else, %s', async (name, _title, spoil, detail) => {
    const folder = bench.place()
    spoil(folder)
    const checks = await bench.look(folder)
    expect([namesOf(checks, 'bad'), namesOf(checks, 'warn')]).toEqual([[name], []])
    expect(found(checks, name)).toMatch(detail)
  })

  it.each<[string, string, (folder: string) => void, RegExp]>([
    ['data', 'a directory that others may look into', (f) => chmodSync(join(f, 'data'), 0o755), /Others may look into/],
    [
      'evidence',
      'torn ends of earlier runs',
      (f) => {
        mkdirSync(join(f, 'data/quarantine'), { recursive: true })
        writeFileSync(join(f, 'data/quarantine/x.bin'), 'x')
      },
      /holds 1 torn ends/,
    ],
    ['evidence', 'a stream too large to look at', (f) => truncateSync(streamIn(f), 257 * 1024 * 1024), /too large/],
    [
      'sinks',
      'a webhook that is away',
      (f) => rewritten(f, (text) => text.replace(/url: '[^']*\/hook'/, "url: 'http://127.0.0.1:1/hook'")),
      /alerts\.sinks\.0 cannot be reached \(ECONNREFUSED\)/,
    ],
    [
      'services',
      'that there are none',
      (f) => rewritten(f, (text) => text.replace(/services:\n.*\n/, '')),
      /There is no service/,
    ],
  ])('warns, under %s and nowhere else, of %s', async (name, _title, spoil, detail) => {
    const folder = bench.place()
    spoil(folder)
    const checks = await bench.look(folder)
    expect([namesOf(checks, 'bad'), namesOf(checks, 'warn')]).toEqual([[], [name]])
    expect(found(checks, name)).toMatch(detail)
  })

  it('warns of a service that answers with errors', async () => {
    bench.service.status = 503
    const checks = await bench.look(bench.place())
    bench.service.status = 404
    expect([namesOf(checks, 'bad'), namesOf(checks, 'warn')]).toEqual([[], ['services']])
    expect(found(checks, 'services')).toContain('orders in eu-west answers 503')
  })

  it('passes on what the configuration only warns of', async () => {
    const folder = bench.place()
    const { loaded } = inProduction(folder)
    const warnings = [{ file: 'x.yaml', line: 3, path: 'egress', message: 'is wide open' }]
    const checks = await bench.look(folder, { loaded: { ...loaded, warnings } as DoctorOptions['loaded'] })
    expect(checks.find(({ name }) => name === 'configuration')).toMatchObject({ state: 'warn', detail: 'x.yaml:3: egress: is wide open' }) // prettier-ignore
  })

  it('calls bad in production what it only warns of in development', async () => {
    const folder = bench.place()
    chmodSync(join(folder, 'gate.key'), 0o644)
    const environment = { LEAK: `Bearer ${canary}-admin`, HTTPS_PROXY: 'http://p', OTEL_SDK_DISABLED: 'true' }
    const free = await bench.look(folder, { environment })
    expect([namesOf(free, 'bad'), namesOf(free, 'warn')]).toEqual([[], ['process', 'secrets']])
    const strict = await bench.look(folder, { environment, ...inProduction(folder) })
    expect(namesOf(strict, 'bad')).toEqual(['process', 'secrets', 'certificates'])
    expect(found(strict, 'certificates')).toContain('gate.key can be read by others')
    expect(found(strict, 'process')).toMatch(/HTTPS_PROXY.*OTEL_SDK_DISABLED/)
    expect(JSON.stringify(strict)).not.toContain(canary)
  })
})

describe('the look at', () => {
  it('data finds what is no directory, and what takes no durable write', async () => {
    const file = join(mkdtempSync(join(bench.home, 'x-')), 'file')
    writeFileSync(file, '')
    expect(await dataFinding(file)).toMatchObject({ state: 'bad', detail: expect.stringMatching(/is no directory.*takes no durable write \(ENOTDIR\)/) as string }) // prettier-ignore
  })

  it('the process finds a permission model that keeps Node from the data', () => {
    const facts = { mode: 'development', nodeVersion: '24.21.0', data: '/data', environment: {} } as const
    expect(processFinding({ ...facts, mayWrite: () => true }).state).toBe('ok')
    expect(processFinding({ ...facts, mayWrite: () => false })).toMatchObject({
      state: 'bad',
      fix: 'Add --allow-fs-write=/data.',
    })
  })

  it('clocks finds one that is not set, and one that is stepped while it is looked at', async () => {
    const look = (clock: ReturnType<typeof testClock>, stepMs: number) =>
      clocksFinding({
        clock,
        places: [],
        reach: () => expect.unreachable(),
        wait: async (ms) => {
          clock.advance(ms)
          clock.step(stepMs)
        },
      })
    expect((await look(testClock(), 250)).state).toBe('ok')
    expect(await look(testClock(), -251)).toMatchObject({ state: 'warn', detail: expect.stringContaining('stepped by -251 ms') as string }) // prettier-ignore
    expect(await look(testClock(0), 0)).toMatchObject({ state: 'bad', detail: expect.stringContaining('The clock says 1970') as string }) // prettier-ignore
  })
})
