import { readFile } from 'node:fs/promises'
import { parseDocument } from 'yaml'
import { countsFor, ticketProblems, Tickets, type Ticket } from '../identity/ticket.ts'
import type { TicketRegister } from '../ports/tickets.ts'
import { fileMark } from './file-mark.ts'

export interface FileTicketsOptions {
  readonly file: string
  /** Told when the file begins to be unusable, and when it is for another reason. */
  readonly fault?: (error: Error) => void
}

const fileBytesMax = 4 * 1024 * 1024

/**
 * A register of change tickets in a YAML list. The file is read again when it changes. Rejects when it cannot be read at
 * the start; later, as long as it is missing or malformed, no ticket counts: a withdrawn ticket must not live on.
 */
export async function ticketsFile(options: FileTicketsOptions): Promise<TicketRegister> {
  const { file, fault } = options
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
      const why = error instanceof Error ? error.message : String(error)
      if (why !== problem) fault?.(new Error(why))
      ;[mark, tickets, problem] = ['', new Map<string, readonly Ticket[]>(), why]
    }
    return tickets
  }

  return {
    problem: () => problem,
    async find(ticket, who, tool, nowMs) {
      const named = (await current()).get(ticket) ?? []
      return named.some((entry) => entry.tools.includes(tool) && countsFor(entry, who, nowMs)) ? ticket : undefined
    },
    async approvedFor(who, nowMs) {
      const all = [...(await current()).values()].flat()
      return [...new Set(all.filter((entry) => countsFor(entry, who, nowMs)).map(({ ticket }) => ticket))]
    },
  }
}

async function load(file: string): Promise<readonly Ticket[]> {
  const text = await readFile(file, 'utf8').catch((error: Error) => unreadable(file, error))
  if (text.length > fileBytesMax) throw new Error(`The ticket register ${file} is larger than ${fileBytesMax} bytes.`)
  const document = parseDocument(text)
  const broken = document.errors[0]
  if (broken) throw new Error(`${file}:${broken.linePos?.[0].line ?? 1}: ${broken.message.split('\n', 1)[0]}`)
  const parsed = Tickets.safeParse(document.toJS() ?? [])
  if (!parsed.success) throw new Error(`The ticket register ${file} is malformed: ${ticketProblems(parsed.error)}`)
  return parsed.data
}

function byName(tickets: readonly Ticket[]): ReadonlyMap<string, readonly Ticket[]> {
  return Map.groupBy(tickets, ({ ticket }) => ticket)
}

function markOf(file: string): Promise<string> {
  return fileMark(file).catch((error: Error) => unreadable(file, error))
}

function unreadable(file: string, error: Error): never {
  throw new Error(`The ticket register ${file} cannot be read: ${error.message}.`, { cause: error })
}
