import type { Identity } from './authenticate.ts'
import type { ShownProof } from '../identity/dpop.ts'
import type { Binding, Principal } from '../identity/principal.ts'
import type { Proof } from '../identity/proof.ts'
import type { Findings } from '../dlp/finding.ts'
import type { PolicyVerdict } from '../policy/verdict.ts'
import type { Taint } from '../detection/provenance.ts'
import type { Receipt } from '../ports/evidence-log.ts'
import type { Json, JsonObject } from '../ports/json.ts'
import type { CallTrace } from '../ports/observer.ts'
import type { Departed, Tool, ToolResult } from '../ports/tool.ts'
import type { Answer } from './outcome.ts'

/** How the caller shows who it is. */
export type Credential =
  | {
      readonly kind: 'bearer'
      readonly token: string
      /** What the connection proves of the sender, where it proves anything. */
      readonly binding?: Binding
      /** A proof that the sender holds the key the token is bound to, shown with the scheme `DPoP`. */
      readonly dpop?: ShownProof
      /** The process behind a stdio connection. */
      readonly processId?: string
    }
  /** A token that the transport had proven: who showed it is known, and is not proven again. Never from a wire. */
  | { readonly kind: 'proven'; readonly proof: Proof }
  /** A local process that was started with this identity, on stdio in development. */
  | { readonly kind: 'process'; readonly processId: string }
  /** Nobody; `refused` says what became of a credential that was judged before, and is not judged again. */
  | { readonly kind: 'none'; readonly refused?: Extract<Identity, { readonly ok: false }> }

/** The agent's own account of what it is doing. A claim: limits never let it lower a count. */
export interface PlanClaim {
  readonly id?: string
  readonly step?: number
  readonly depth?: number
  readonly retry?: number
  readonly goal?: string
}

/** A call as it arrived: parsed once, frozen, judged and executed as this same object. */
export interface Received {
  /** Random id of this call; the only detail an internal error shows. */
  readonly id: string
  readonly atMs: number
  readonly transport: 'http' | 'stdio'
  readonly protocolVersion: string
  readonly requestId?: string
  /** Protocol session of the 2025 revisions. Never authentication. */
  readonly mcpSession?: string
  readonly client?: string
  readonly credential: Credential
  readonly toolName: string
  /** The tool of that name in the catalog in force, if there is one. */
  readonly tool?: Tool
  readonly rawArgs: Json
  readonly plan: PlanClaim
  /** The `requestState` a client sent back with a call that waited for a person. Attacker's input until it is checked. */
  readonly resumes?: string
  readonly trace: CallTrace
  /** Aborted when the caller goes away or the call's time is up. */
  readonly signal: AbortSignal
}

export interface Identified {
  readonly who: Principal
}

export interface Limited {
  readonly limits: {
    /** Our count and the claim, the larger. */
    readonly planDepth: number
    readonly retry: number
    readonly budgetUsedMicroUsd: number
    readonly budgetLimitMicroUsd?: number
  }
  /** Gives back what the call took, once: how it ended, for the stop rules, and what it truly cost where that is not the tool's price. */
  readonly release: (ended: 'ok' | 'not', spentMicroUsd?: number) => void
}

export interface Validated {
  /** The tool, now that there certainly is one. */
  readonly checked: Tool
  readonly args: JsonObject
}

export interface Inspected {
  readonly found: Findings
  readonly taint: Taint
  /** Where the call will connect, when its arguments say so. */
  readonly destination?: { readonly url: URL; readonly domain: string; readonly allowed: boolean }
  /** The ticket named in the arguments, when its register confirms it for this principal and tool. */
  readonly ticket?: string
}

export interface Decided {
  readonly verdict: PolicyVerdict
  /** Region of the backend that serves the call. */
  readonly region: string
  /** The arguments as policy saw them: where the service knows better, the larger truth. */
  readonly judged: JsonObject
  /** What the tool is given: the arguments, with what must not leave rewritten. */
  readonly sent: JsonObject
}

export interface Deduplicated {
  readonly idem?: { readonly storeKey: string; readonly keyDigest: string }
}

export interface Approved {
  /** The person's approval that this call used up, where it needed one; `switchId` is the switch that asked for it. */
  readonly approval?: { readonly id: string; readonly approver: string; readonly switchId?: string }
}

export interface Committed extends Approved {
  /** Receipt of the durable intent, for everything that is not a read. */
  readonly intent?: Receipt
}

/** What is known when every gate is passed. */
export type Ready = Received & Identified & Limited & Validated & Inspected & Decided & Deduplicated & Committed

/** What left for another party, as soon as anything did: also of a call that then failed or was refused. */
export interface Left {
  readonly departed?: Departed
}

export interface Invoked extends Left {
  readonly result: ToolResult
}

export interface Redacted {
  readonly answer: Answer
  /** What was found in the result. */
  readonly shown: Findings
  /** Injection markers in the result. */
  readonly markers: number
}

/** What is known of a call that went all the way. */
export type Answered = Ready & Invoked & Redacted

/** What is known of a call that ended early: at least that it arrived. */
export type Partly = Received & Partial<Answered>
