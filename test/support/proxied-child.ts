import { undiciEgress } from '../../src/adapters/egress-undici.ts'

/*
 * A process that was told to use a proxy: fetches a page from a name that development leads to a port on loopback, and
 * from a private address that somebody listed. Says how each ended.
 */

const port = Number(process.argv[2])
const allow = ['partner.example', '127.0.0.1']
const egress = undiciEgress({ lists: { allow, hosts: { 'partner.example': port } }, timeoutMs: 5_000 })
const fetch = egress({ signal: new AbortController().signal, blocked: () => false })

const ended = async (url: string): Promise<string> =>
  fetch({ url: new URL(url), method: 'GET' }).then(
    ({ text }) => text,
    (error: { readonly code?: string }) => String(error.code),
  )

process.send?.([await ended('http://partner.example/'), await ended(`http://127.0.0.1:${port}/`)])
