import type { PassThrough } from 'node:stream'
import { modern, send, type Message } from '../../test/support/wire.ts'

/** What a transport said to one hostile message. */
export interface Said {
  /** Codes of the errors that refused it as a message. A refusal of the call it makes is none of them: it was understood. */
  readonly codes: readonly number[]
  /** Something other than a refusal came back, or a message was taken without a word. */
  readonly served: boolean
}

/** A door of the gateway, written to byte for byte. */
export interface Edge {
  readonly name: 'http' | 'stdio'
  /** Sends bytes as one message, with the headers that go with it where there are headers. Rejects when nobody answers any more. */
  say(bytes: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Said>
}

/** Posts each message on a connection of its own. A status of 500 and above is nobody's answer. */
export function httpEdge(url: string, token: () => string): Edge {
  return {
    name: 'http',
    async say(bytes, headers = {}) {
      const authorization = `Bearer ${token()}`
      const answer = await send(url, { headers: { authorization, ...headers }, body: Buffer.from(bytes) })
      if (answer.status >= 500) throw new Error(`HTTP ${answer.status}: ${answer.text}`)
      return said([answer.message], answer.status < 400)
    },
  }
}

const sentinel = 'after-it'

/** One connection for all messages. A message that gets no answer is known by the answer to the next one. */
export async function stdioEdge(input: PassThrough, output: PassThrough): Promise<Edge> {
  const { lines, until } = linesOf(output)
  const ask = async (id: string): Promise<void> => {
    input.write(`\n${JSON.stringify({ ...modern('tools/list').body, id })}\n`)
    await until((line) => line.id === id)
  }
  await ask('opening')
  return {
    name: 'stdio',
    async say(bytes) {
      lines.length = 0
      input.write(bytes)
      await ask(sentinel)
      if (isRequest(bytes)) await until((line) => line.id !== sentinel)
      const answers = lines.filter((line) => line.id !== sentinel)
      return said(answers, answers.length === 0 && !isBlank(bytes))
    },
  }
}

/** Nothing but line ends: on stdio no message at all. */
export const isBlank = (bytes: Uint8Array): boolean => /^[\r\n]*$/.test(Buffer.from(bytes).toString('latin1'))

function linesOf(output: PassThrough) {
  const lines: Message[] = []
  let wake = (): void => undefined
  let rest = ''
  let patienceMs = 10_000
  output.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts.map((line) => JSON.parse(line) as Message))
    wake()
  })
  const until = async (fits: (line: Message) => boolean): Promise<void> => {
    while (!lines.some(fits)) {
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => {
          patienceMs = 500
          reject(new Error('stdio answers no more'))
        }, patienceMs)
        wake = () => (clearTimeout(late), resolve())
      })
    }
  }
  return { lines, until }
}

/** A request is answered, though perhaps after shorter ones that came later. */
function isRequest(bytes: Uint8Array): boolean {
  try {
    const { id, method } = JSON.parse(Buffer.from(bytes).toString()) as { id?: unknown; method?: unknown }
    return method !== undefined && (typeof id === 'string' || Number.isInteger(id))
  } catch {
    return false
  }
}

/** An error that carries a `denied` is about a call: the message itself was understood. */
function said(answers: readonly Message[], silent: boolean): Said {
  const errors = answers.flatMap(({ error }) => (error ? [error] : []))
  const codes = errors.filter(({ data }) => data?.['denied'] === undefined).map(({ code }) => code)
  const understood = errors.length > codes.length || answers.some(({ result }) => result !== undefined)
  return { codes, served: codes.length === 0 && (silent || understood) }
}
