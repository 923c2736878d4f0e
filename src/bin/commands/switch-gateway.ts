import { readFile } from 'node:fs/promises'
import type { OrderRequest } from '../../control/order.ts'
import type { OrderDesk, Shown } from './switch.ts'

export interface GatewayDeskOptions {
  /** Admin listener, e.g. `http://127.0.0.1:8788`. */
  readonly url: string
  readonly tokenFile: string
  /** What to do when nothing listens there. */
  readonly away?: () => Promise<OrderDesk>
}

const timeoutMs = 10_000

/** Gives orders to the gateway that runs. Refuses, in a sentence, what the gateway refuses. */
export async function gatewaySwitches({ url, tokenFile, away }: GatewayDeskOptions): Promise<OrderDesk> {
  const token = await tokenIn(tokenFile)
  const ask = async (method: string, path: string, body?: object): Promise<Reply> => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    })
    return { status: response.status, body: (await response.json()) as Reply['body'] }
  }
  const listed = await ask('GET', '/api/v1/switches').catch((error: unknown) => unreachable(url, error))
  if (listed === undefined) {
    if (away) return away()
    throw new Error(`No gateway answers at ${url}; start it, or leave --admin out to write to its command log.`)
  }
  const first = granted(listed)
  return {
    list: async () => first.switches ?? [],
    engage: async (request: OrderRequest) =>
      granted(await ask('POST', '/api/v1/switches', request)) as unknown as Shown,
    async release(id, reason) {
      const reply = await ask('DELETE', `/api/v1/switches/${encodeURIComponent(id)}`, { reason })
      if (reply.status === 404) return false
      granted(reply)
      return true
    },
  }
}

interface Reply {
  readonly status: number
  readonly body: { readonly switches?: readonly Shown[]; readonly error?: { readonly message?: string } }
}

function granted({ status, body }: Reply): Reply['body'] {
  if (status < 300) return body
  throw new Error(body.error?.message ?? `The gateway answered ${status}.`)
}

/** Undefined when nothing listens; any other fault is told. */
function unreachable(url: string, error: unknown): undefined {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined
  if (cause?.code === 'ECONNREFUSED') return undefined
  throw new Error(`The gateway at ${url} could not be asked (${cause?.code ?? String(error)}).`, { cause: error })
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new Error(
      `${file} cannot be read; pass the admin token with --token-file, or the data directory with --data.`,
      {
        cause,
      },
    )
  }
}
