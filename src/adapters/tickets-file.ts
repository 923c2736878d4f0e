import { readFile, stat } from 'node:fs/promises'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import type { TicketRegister } from '../ports/tickets.ts'

/** One line of the register. */
interface Ticket {
  readonly ticket: string
  readonly state: 'approved' | 'pending' | 'rejected' | 'closed'
  /** Who may use it, one exact name. */
  readonly principal: string
  /** Narrows it to one tenant. */
  readonly tenant?: string
  /** Which tools it covers, by exact name. */
  readonly tools: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expires: number
}

const name = z
  .string()
  .min(1)
  .max(256)
  .refine((text) => !text.includes('*'), 'is a wildcard; name each one')

const Ticket: z.ZodType<Ticket> = z.strictObject({
  ticket: name,
  state: z.enum(['approved', 'pending', 'rejected', 'closed']),
  principal: name,
  tenant: name.exactOptional(),
  tools: z.array(name).min(1).max(100),
  expires: z.iso
    .datetime({ offset: true, error: 'is no time such as 2026-12-31T18:00:00Z' })
    .transform((text) => Date.parse(text)),
})

const Tickets = z.array(Ticket).max(10_000)

const fileBytesMax = 4 * 1024 * 1024

/**
 * A register of change tickets in a YAML list. The file is read again when it changes. Rejects when it cannot be read at
 * the start; later, as long as it is missing or malformed, no ticket counts: a withdrawn ticket must not live on.
 */
export async function ticketsFile(options: { readonly file: string }): Promise<TicketRegister> {
  const { file } = options
  let mark = await markOf(file)
  let tickets = byName(await load(file))
  let problem: string | undefined

  async function refresh(): Promise<void> {
    const seen = await markOf(file)
    if (seen === mark) return
    const fresh = byName(await load(file))
    ;[mark, tickets, problem] = [seen, fresh, undefined]
  }

  async function current(): Promise<ReadonlyMap<string, readonly Ticket[]>> {
    try {
      await refresh()
    } catch (error) {
      ;[mark, tickets, problem] = [
        '',
        new Map<string, readonly Ticket[]>(),
        error instanceof Error ? error.message : String(error),
      ]
    }
    return tickets
  }

  return {
    problem: () => problem,
    async find(ticket, who, tool, nowMs) {
      const named = (await current()).get(ticket) ?? []
      return named.some((entry) => entry.tools.includes(tool) && counts(entry, who, nowMs)) ? ticket : undefined
    },
    async approvedFor(who, nowMs) {
      const all = [...(await current()).values()].flat()
      return [...new Set(all.filter((entry) => counts(entry, who, nowMs)).map(({ ticket }) => ticket))]
    },
  }
}

function counts(ticket: Ticket, who: { readonly tenant: string; readonly subject: string }, nowMs: number): boolean {
  return (
    ticket.state === 'approved' &&
    nowMs < ticket.expires &&
    ticket.principal === who.subject &&
    (ticket.tenant ?? who.tenant) === who.tenant
  )
}

async function load(file: string): Promise<readonly Ticket[]> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Error(`The ticket register ${file} cannot be read: ${error.message}.`)
  })
  if (text.length > fileBytesMax) throw new Error(`The ticket register ${file} is larger than ${fileBytesMax} bytes.`)
  const document = parseDocument(text)
  const broken = document.errors[0]
  if (broken) throw new Error(`${file}:${broken.linePos?.[0].line ?? 1}: ${broken.message.split('\n', 1)[0]}`)
  const parsed = Tickets.safeParse(document.toJS() ?? [])
  if (!parsed.success) throw new Error(`The ticket register ${file} is malformed: ${sentences(parsed.error)}`)
  return parsed.data
}

function sentences({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
}

function byName(tickets: readonly Ticket[]): ReadonlyMap<string, readonly Ticket[]> {
  return Map.groupBy(tickets, ({ ticket }) => ticket)
}

/** Changes whenever the file does: replaced (inode), written (time) or cut (size). */
async function markOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch((error: Error) => {
    throw new Error(`The ticket register ${file} cannot be read: ${error.message}.`)
  })
  return `${found.ino} ${found.mtimeNs} ${found.size}`
}
