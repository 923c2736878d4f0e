import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { JsonObject } from '../ports/json.ts'
import type { Ask, Door, Saw } from './agent.ts'
import type { Cast } from './scenario.ts'

/** An agent that is connected, in a process of its own. */
export interface Agent {
  readonly name: string
  list(): Promise<readonly string[]>
  call(tool: string, args: JsonObject, plan?: { readonly depth?: number; readonly retry?: number }): Promise<Saw>
  end(): Promise<void>
}

const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './agent.ts' : './agent.js', import.meta.url))
const answerMsMax = 30_000

/** Starts an agent's process and connects its client. Rejects when it cannot connect. */
export async function startAgent({ name, tenant, grants }: Cast, door: Door, spansFile: string): Promise<Agent> {
  const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ask = asking(child, name)
  const connected = await ask({ kind: 'connect', name, tenant, grants, door, spansFile })
  if (!connected.ok) {
    child.kill()
    throw new Error(`${name} could not connect: ${connected.text}`)
  }
  let step = 0
  return {
    name,
    list: async () => (await ask({ kind: 'list' })).tools ?? [],
    call: (tool, args, { depth = 1, retry = 0 } = {}) =>
      ask({ kind: 'call', tool, args, plan: { step: (step += 1), depth, retry } }),
    async end() {
      const exited = new Promise((resolve) => child.once('exit', resolve))
      await ask({ kind: 'end' })
      await exited
    },
  }
}

/** One question at a time; an agent that dies or stays silent is an error with its name. */
function asking(child: ChildProcess, name: string): (ask: Ask) => Promise<Saw> {
  return (ask) =>
    new Promise((resolve, reject) => {
      const silent = setTimeout(() => failed(`${name} gave no answer to ${ask.kind}`), answerMsMax)
      const ended = () => failed(`${name} ended before it answered`)
      const heard = (saw: Saw) => {
        done()
        resolve(saw)
      }
      child.once('message', heard).once('exit', ended)
      child.send(ask)

      function done(): void {
        clearTimeout(silent)
        child.off('message', heard).off('exit', ended)
      }
      function failed(why: string): void {
        done()
        reject(new Error(why))
      }
    })
}
