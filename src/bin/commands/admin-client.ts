import { readFile } from 'node:fs/promises'

export interface AdminReply {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** One request to the admin listener. Undefined when nothing listens there; rejects, in a sentence, when it cannot be asked. */
export type AskAdmin = (method: string, path: string, body?: object) => Promise<AdminReply | undefined>

const timeoutMs = 10_000

/** A client of the admin listener at `url`, with the token in a file. Rejects when there is no token to read. */
export async function adminAt(url: string, tokenFile: string): Promise<AskAdmin> {
  const token = await tokenIn(tokenFile)
  return async (method, path, body) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    }).catch((error: unknown) => unreachable(url, error))
    return response && { status: response.status, body: (await response.json()) as AdminReply['body'] }
  }
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
