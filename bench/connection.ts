import { connect, type Socket } from 'node:net'

/** One keep-alive connection with at most one request under way. Node's own client costs more than some of the servers. */
export interface Connection {
  /** Posts a message and gives the answer's bytes, head included, as Latin-1 text. Rejects when the connection ends. */
  post(body: string): Promise<string>
  close(): void
}

export interface Target {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
}

const headEnd = '\r\n\r\n'
const lastChunk = '\r\n0\r\n\r\n'

export async function openConnection({ port, headers }: Target): Promise<Connection> {
  const socket = await connected(port)
  const head = headText(port, headers)
  let held = ''
  let waiting: PromiseWithResolvers<string> | undefined
  socket.on('data', (chunk) => {
    held += chunk.toString('latin1')
    if (!isWhole(held)) return
    const answer = held
    held = ''
    waiting?.resolve(answer)
  })
  socket.on('error', (error) => waiting?.reject(error))
  socket.on('close', () => waiting?.reject(new Error('the server closed the connection')))
  return {
    post(body) {
      waiting = Promise.withResolvers<string>()
      socket.write(`${head}content-length: ${Buffer.byteLength(body)}${headEnd}${body}`)
      return waiting.promise
    },
    close() {
      waiting = undefined
      socket.destroy()
    },
  }
}

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

function headText(port: number, headers: Target['headers']): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${lines.join('')}`
}

/** One answer at a time is awaited, so it is whole when its length is reached or its last chunk is there. */
function isWhole(held: string): boolean {
  const end = held.indexOf(headEnd)
  if (end === -1) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(held.slice(0, end))?.[1]
  return length === undefined ? held.endsWith(lastChunk) : held.length >= end + headEnd.length + Number(length)
}
