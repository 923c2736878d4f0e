import type { Approval, AskApproval, Question } from '../call/approve.ts'
import { GrantRefused } from '../control/request.ts'
import { callDraft } from './grant-drafts.ts'
import type { DeskParts, OpenRequest } from './grant-open.ts'
import type { StoredRequest } from './grant-store.ts'

/** Spends the approval of one exact call, or opens the request for it. Equal calls at once open one request together. */
export function callApproval({ store, table, step }: DeskParts, open: OpenRequest): AskApproval {
  const opening = new Map<string, Promise<Approval>>()

  async function spend({ request, version }: StoredRequest): Promise<Approval | undefined> {
    const spent = await store.put({ ...request, state: 'spent' }, version)
    table.forget(request.id)
    if (!spent) return undefined
    await step('grant.spend', spent.request)
    return { kind: 'spent', id: request.id, approver: request.decidedBy ?? '' }
  }

  function openOnce(question: Question): Promise<Approval> {
    const { binding } = question
    const running = opening.get(binding) ?? opened(open, question).finally(() => opening.delete(binding))
    opening.set(binding, running)
    return running
  }

  return async (question) => {
    const found = table.byBinding(question.binding)
    if (found === undefined) return openOnce(question)
    const { id, state } = found.request
    if (state === 'granted') return (await spend(found)) ?? openOnce(question)
    return { kind: state === 'denied' ? 'denied' : 'pending', id }
  }
}

async function opened(open: OpenRequest, question: Question): Promise<Approval> {
  try {
    const { id } = await open(callDraft(question))
    return { kind: 'pending', id }
  } catch (error) {
    if (error instanceof GrantRefused && error.kind === 'full') return { kind: 'full' }
    throw error
  }
}
