import { createHmac } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { consoleAlertSink } from '../../src/adapters/alert-console.ts'
import { jsonlAlertSink } from '../../src/adapters/alert-jsonl.ts'
import { webhookAlertSink, type WebhookSinkOptions } from '../../src/adapters/alert-webhook.ts'
import type { Alert } from '../../src/detection/alert.ts'
import type { AlertSink } from '../../src/ports/alert-sink.ts'
import { testClock } from '../support/clock.ts'
import { fixedSecret, withdrawnSecret } from '../support/secrets.ts'

function alert(id = 'a'.repeat(32)): Alert {
  return {
    id,
    dedupeKey: 'b'.repeat(32),
    rule: 'tainted_sink',
    ruleId: '4b8a9f3d-2d0a-4a77-8d4b-7f3c5a9e5c05',
    ruleVersion: 1,
    ruleSetDigest: 'c'.repeat(64),
    title: 'Tainted',
    severity: 'critical',
    tenant: 'acme',
    actor: 'agent:x',
    session: 's1',
    trace: 'd'.repeat(32),
    tools: ['orders.export', 'web.fetchSafe'],
    summary: 'Tainted: agent:x, web.fetchSafe',
    why: 'taint.sink.source_markers 2 (>= 1).',
    runbook: 'docs/runbooks/tainted-sink.md',
    tags: ['owasp.asi01'],
    evidence: [{ stream: 'gw/1', seq: 12, leaf: 'e'.repeat(64) }],
    atMs: Date.UTC(2026, 10, 20, 12),
  }
}

interface Post {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A receiver that answers with these statuses in turn, then 202. `undefined` never answers. */
async function receiver(statuses: readonly (number | undefined)[] = []) {
  const posts: Post[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const status = posts.length < statuses.length ? statuses[posts.length] : 202
      posts.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
      if (status !== undefined)
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end('thanks')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`)
  return {
    url,
    posts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const sink = (url: URL, more: Partial<WebhookSinkOptions> = {}) =>
  webhookAlertSink({ url, clock: testClock(), sleep: async () => {}, ...more })

interface Opened {
  readonly sink: AlertSink
  /** What arrived, as text. */
  readonly received: () => Promise<string>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

const adapters: Readonly<Record<string, () => Promise<Opened>>> = {
  async console() {
    const lines: string[] = []
    return {
      sink: consoleAlertSink({ write: (line) => void lines.push(line) }),
      received: async () => lines.join('\n'),
      [Symbol.asyncDispose]: async () => {},
    }
  },
  async jsonl() {
    const directory = await mkdtemp(join(tmpdir(), 'alerts-'))
    const path = join(directory, 'below', 'alerts.jsonl')
    return {
      sink: jsonlAlertSink({ path }),
      received: () => readFile(path, 'utf8'),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    }
  },
  async webhook() {
    const at = await receiver()
    return {
      sink: sink(at.url),
      received: async () => at.posts.map(({ body }) => body).join('\n'),
      [Symbol.asyncDispose]: () => at[Symbol.asyncDispose](),
    }
  },
}

describe.each(Object.entries(adapters))('AlertSink: %s', (name, open) => {
  it('delivers before it resolves, and says who, what, why and where', async () => {
    await using opened = await open()
    await opened.sink.deliver(alert())
    const text = await opened.received()
    for (const part of [
      'tainted_sink',
      'critical',
      'agent:x',
      'source_markers 2',
      'acme',
      'gw/1',
      'docs/runbooks/tainted-sink.md',
    ])
      expect(text).toContain(part)
    expect(opened.sink.name).toBe(name)
  })

  it('delivers every alert when several come at once', async () => {
    await using opened = await open()
    await Promise.all(
      ['1', '2', '3', '4', '5'].map((id) => opened.sink.deliver({ ...alert(id.repeat(32)), session: `session-${id}` })),
    )
    const text = await opened.received()
    for (const id of ['1', '2', '3', '4', '5']) expect(text).toContain(`session-${id}`)
  })

  it('closes', async () => {
    await using opened = await open()
    await opened.sink.deliver(alert())
    await expect(opened.sink.close()).resolves.toBeUndefined()
  })
})

describe('the console sink', () => {
  it('gives a terminal nothing to obey', async () => {
    const lines: string[] = []
    await consoleAlertSink({ write: (line) => void lines.push(line) }).deliver({
      ...alert(),
      tenant: 'a\u001b[2J\nALERT forged',
    })
    expect(lines.join('\n')).not.toContain('\u001b')
    expect(lines).toEqual([expect.stringMatching(/[^\n]\n$/) as string])
    expect(
      lines
        .join('\n')
        .split('\n')
        .filter((line) => line.startsWith('ALERT')),
    ).toHaveLength(1)
  })
})

describe('the jsonl sink', () => {
  it('writes one line for one alert, whole and in order', async () => {
    await using opened = await adapters['jsonl']!()
    await Promise.all(['1', '2', '3'].map((id) => opened.sink.deliver(alert(id))))
    const lines = (await opened.received()).trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as Alert).id)).toEqual(['1', '2', '3'])
    expect(JSON.parse(lines[0]!)).toEqual(alert('1'))
  })

  it('rejects when it cannot write, and goes on with the next', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'alerts-'))
    const blocked = join(directory, 'file')
    await writeFile(blocked, '')
    const broken = jsonlAlertSink({ path: join(blocked, 'alerts.jsonl') })
    await expect(broken.deliver(alert())).rejects.toThrow()
    await rm(blocked)
    await expect(broken.deliver(alert())).resolves.toBeUndefined()
    await rm(directory, { recursive: true })
  })
})

describe('the webhook sink', () => {
  it('posts a CloudEvent', async () => {
    await using at = await receiver()
    await sink(at.url).deliver(alert())
    expect(at.posts[0]?.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8')
    expect(JSON.parse(at.posts[0]!.body)).toEqual({
      specversion: '1.0',
      id: 'a'.repeat(32),
      type: 'io.sluicegate.alert.v1',
      source: 'urn:sluicegate:detector:cccccccccccccccc',
      subject: 's1',
      time: '2026-11-20T12:00:00.000Z',
      datacontenttype: 'application/json',
      data: alert(),
    })
  })

  it('signs the body with the time, when there is a secret', async () => {
    await using at = await receiver()
    const clock = testClock()
    await sink(at.url, { secret: fixedSecret('open sesame'), clock }).deliver(alert())
    const { headers, body } = at.posts[0]!
    const expected = createHmac('sha256', 'open sesame').update(`${clock.nowMs()}.${body}`).digest('hex')
    expect(headers['sluicegate-signature']).toBe(`t=${clock.nowMs()},v1=${expected}`)
  })

  it('sends nothing unsigned once its secret is withdrawn', async () => {
    await using at = await receiver()
    await expect(sink(at.url, { secret: withdrawnSecret() }).deliver(alert())).rejects.toThrow('secret is withdrawn')
    expect(at.posts).toEqual([])
  })

  it.each([500, 503, 429, 408])('tries again after %i', async (status) => {
    await using at = await receiver([status, status])
    await sink(at.url).deliver(alert())
    expect(at.posts).toHaveLength(3)
    expect(new Set(at.posts.map(({ body }) => body)).size).toBe(1)
  })

  it.each([400, 401, 404, 302])('does not try again after %i, and follows nothing', async (status) => {
    await using at = await receiver([status])
    await expect(sink(at.url).deliver(alert())).rejects.toThrow(`it answered ${status}`)
    expect(at.posts).toHaveLength(1)
  })

  it('gives up after its attempts', async () => {
    await using at = await receiver([500, 500, 500, 500, 500])
    await expect(sink(at.url, { attemptsMax: 3 }).deliver(alert())).rejects.toThrow(
      /did not take alert a+: it answered 500/,
    )
    expect(at.posts).toHaveLength(3)
  })

  it('waits longer each time, within bounds', async () => {
    await using at = await receiver(Array.from({ length: 9 }, () => 500))
    const waits: number[] = []
    const slow = sink(at.url, { attemptsMax: 8, sleep: async (ms) => void waits.push(ms) })
    await expect(slow.deliver(alert())).rejects.toThrow()
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 8_000])
  })

  it('does not wait for a receiver that never answers', async () => {
    await using at = await receiver([undefined, undefined])
    await expect(sink(at.url, { attemptsMax: 2, timeoutMs: 50 }).deliver(alert())).rejects.toThrow(
      /did not answer in time/,
    )
    expect(at.posts).toHaveLength(2)
  })

  it('names the class of a network failure', async () => {
    const at = await receiver()
    await at[Symbol.asyncDispose]()
    await expect(sink(at.url, { attemptsMax: 2 }).deliver(alert())).rejects.toThrow(
      /could not be reached \(ECONNREFUSED\)/,
    )
  })

  it('stops trying once it is closed', async () => {
    await using at = await receiver([500, 500, 500, 500])
    const closing = sink(at.url, { sleep: async () => closing.close() })
    await expect(closing.deliver(alert())).rejects.toThrow()
    expect(at.posts).toHaveLength(1)
  })
})
