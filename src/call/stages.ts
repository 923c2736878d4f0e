import type {
  Answered,
  Committed,
  Decided,
  Deduplicated,
  Identified,
  Inspected,
  Invoked,
  Limited,
  Ready,
  Received,
  Redacted,
  Validated,
} from './call.ts'
import { pipeline, type Pipeline, type Stage } from './pipeline.ts'

/** One stage of each kind, built for the configuration in force. */
export interface Stages {
  readonly authenticate: Stage<Received, Identified>
  readonly halt: Stage<Received & Identified, object>
  readonly limit: Stage<Received & Identified, Limited>
  readonly validate: Stage<Received, Validated>
  readonly inspect: Stage<Received & Identified & Validated, Inspected>
  readonly decide: Stage<Received & Identified & Validated & Inspected, Decided>
  readonly deduplicate: Stage<Received & Identified & Validated & Decided, Deduplicated>
  readonly commit: Stage<Received & Identified & Limited & Validated & Inspected & Decided & Deduplicated, Committed>
  readonly invoke: Stage<Ready, Invoked>
  readonly redact: Stage<Ready & Invoked, Redacted>
}

/** Every call passes these, in this order, before any tool runs. */
function gates(stage: Stages, stageTimeoutMs: number): Pipeline<Ready> {
  return pipeline({ stageTimeoutMs })
    .use('authenticate', stage.authenticate) // who is calling?
    .use('halt', stage.halt) // has someone pulled a kill switch?
    .use('limit', stage.limit) // rate, budget, concurrency, stop rules
    .use('validate', stage.validate) // do the arguments fit the tool?
    .use('inspect', stage.inspect) // what personal data do they hold, and where did it come from?
    .use('decide', stage.decide) // do the grants and the policy allow it?
    .use('deduplicate', stage.deduplicate) // was it done already?
    .use('commit', stage.commit) // the decision is durable from here on
}

/** The gates, then the tool, then what may be shown of its result. */
export function wholeCall(stage: Stages, stageTimeoutMs: number): Pipeline<Answered> {
  return gates(stage, stageTimeoutMs)
    .use('invoke', stage.invoke) // the tool runs
    .use('redact', stage.redact) // nothing personal or secret leaves
}
