import { proxySettings, type StartedWith } from '../exposure.ts'
import { bad, together, warn, type Finding } from './finding.ts'

export interface ProcessFacts extends StartedWith {
  readonly mode: 'development' | 'production'
  /** e.g. `24.21.0`. */
  readonly nodeVersion: string
  /** Whether this may be done, under Node's --permission; undefined without it. */
  readonly mayWrite?: (directory: string) => boolean
  readonly data: string
}

const majorMin = 24

/** The Node that runs us, and how it was started. */
export function processFinding(facts: ProcessFacts): Finding {
  const { nodeVersion, mayWrite, mode, data, environment } = facts
  const major = Number(nodeVersion.split('.')[0])
  const { inForce, named } = proxySettings(facts)
  const findings: Finding[] = []
  if (!(major >= majorMin)) findings.push(bad(`Node is ${nodeVersion}.`, `Use Node ${majorMin} or later.`))
  if (inForce !== undefined) findings.push(bad(inForce, 'Unset it and start again.'))
  if (named !== undefined) findings.push((mode === 'production' ? bad : warn)(named, 'Unset it and start again.'))
  if (environment['OTEL_SDK_DISABLED'] === 'true')
    findings.push((mode === 'production' ? bad : warn)('OTEL_SDK_DISABLED stops every span.', 'Unset it.'))
  if (mayWrite?.(data) === false)
    findings.push(bad(`--permission does not let Node write to ${data}.`, `Add --allow-fs-write=${data}.`))
  return together(findings, `Node ${nodeVersion}${mayWrite ? ', under --permission' : ''}, no proxy`)
}
