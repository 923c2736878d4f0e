import { request } from 'undici'
import { countsFor, ticketProblems, Tickets, type Ticket } from '../identity/ticket.ts'
import type { Clock } from '../ports/clock.ts'
import { isJsonObject } from '../ports/json.ts'
import { SecretUnavailable, type Secret } from '../ports/secret.ts'
import type { TicketRegister } from '../ports/tickets.ts'
import { parseStrict } from '../server/strict-json.ts'
import { boundedBody } from './bounded-body.ts'

export interface HttpTicketsOptions {
  /** Where the register lists tickets; `?principal=` is added. Configuration vouches for it. */
  readonly url: string
  /** The gateway's own credential at the register. */
  readonly token: Pick<Secret, 'current'>
  readonly clock: Clock
  /** Told when the register begins to fail, and when it fails for another reason. */
  readonly fault?: (error: Error) => void
}

type Who = Parameters<TicketRegister['approvedFor']>[0]

/** How long an answer serves, milliseconds: a ticket that is withdrawn lives on no longer than this. */
export const ticketsKeptMs = 2_000
/** How long a register that failed is not asked again, milliseconds. */
const failureKeptMs = 1_000
const timeoutMs = 2_000
const answerBytesMax = 256 * 1024
/** Most principals whose answer is kept; the oldest are asked for again. */
const principalsMax = 1_000

interface Answer {
  readonly tickets: Promise<readonly Ticket[]>
  /** Monotonic milliseconds from which it serves no more. */
  untilMs: number
}

/**
 * A register of change tickets behind HTTP: `GET <url>?principal=…` with the tenant in `x-tenant` answers
 * `{"tickets": […]}`. While it cannot be reached, is slow, or says what is no list of tickets, no ticket counts.
 */
export function ticketsHttp(options: HttpTicketsOptions): TicketRegister {
  const { clock, fault } = options
  const answers = new Map<string, Answer>()
  let problem: string | undefined
  const monoMs = (): number => Number(clock.monoNs() / 1_000_000n)

  /** One question at a time for one principal; whoever asks meanwhile gets the same answer. */
  function ask(who: Who): Promise<readonly Ticket[]> {
    const key = JSON.stringify([who.tenant, who.subject])
    const known = answers.get(key)
    if (known && monoMs() < known.untilMs) return known.tickets
    // Counted from the question, not from the answer: what was withdrawn meanwhile must not serve any longer for it.
    const answer: Answer = {
      untilMs: monoMs() + ticketsKeptMs,
      tickets: heard(who, (untilMs) => (answer.untilMs = untilMs)),
    }
    answers.delete(key)
    answers.set(key, answer)
    if (answers.size > principalsMax) answers.delete(answers.keys().next().value as string)
    return answer.tickets
  }

  async function heard(who: Who, serveUntil: (monoMs: number) => void): Promise<readonly Ticket[]> {
    try {
      const tickets = await fetched(options, who)
      problem = undefined
      return tickets
    } catch (error) {
      const why = `The ticket register ${new URL(options.url).origin} ${reasonOf(error)}; no ticket counts.`
      if (why !== problem) fault?.(new Error(why))
      problem = why
      serveUntil(monoMs() + failureKeptMs)
      return []
    }
  }

  return {
    problem: () => problem,
    async find(ticket, who, tool, nowMs) {
      const found = (await ask(who)).filter((entry) => entry.ticket === ticket && entry.tools.includes(tool))
      return found.some((entry) => countsFor(entry, who, nowMs)) ? ticket : undefined
    },
    async approvedFor(who, nowMs) {
      const counting = (await ask(who)).filter((entry) => countsFor(entry, who, nowMs))
      return [...new Set(counting.map(({ ticket }) => ticket))]
    },
  }
}

/** A reason in our own words: the register's never reach a log. */
class Unfit extends Error {}

/** Follows no redirect: it would lead where nobody vouched for. */
async function fetched({ url, token }: HttpTicketsOptions, { tenant, subject }: Who): Promise<readonly Ticket[]> {
  const place = new URL(url)
  place.searchParams.set('principal', subject)
  const reply = await request(place, {
    method: 'GET',
    headers: {
      authorization: `Bearer ${token.current()}`,
      'x-tenant': tenant,
      accept: 'application/json',
      'accept-encoding': 'identity',
    },
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (reply.statusCode !== 200) {
    await reply.body.dump({ limit: 16_384 })
    throw new Unfit(`answered ${reply.statusCode}`)
  }
  const bytes = await boundedBody(reply.body, answerBytesMax)
  if (bytes === undefined) throw new Unfit(`answered with more than ${answerBytesMax} bytes`)
  return ticketsIn(bytes)
}

function ticketsIn(bytes: Uint8Array): readonly Ticket[] {
  const parsed = parseStrict(bytes)
  const list = parsed.ok && isJsonObject(parsed.value) ? parsed.value['tickets'] : undefined
  if (list === undefined) throw new Unfit('did not answer with {"tickets": […]} in strict JSON')
  const tickets = Tickets.safeParse(list)
  if (tickets.success) return tickets.data
  throw new Unfit(`lists what is no ticket (${ticketProblems(tickets.error).slice(0, 200)})`)
}

function reasonOf(error: unknown): string {
  if (error instanceof Unfit) return error.message
  if (error instanceof SecretUnavailable) return 'cannot be asked: its secret is withdrawn'
  if (error instanceof Error && error.name === 'TimeoutError') return `did not answer within ${timeoutMs / 1000} s`
  const { code } = error as NodeJS.ErrnoException
  return code === undefined ? 'could not be reached' : `could not be reached (${code})`
}
