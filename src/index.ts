/** What a program may build on. Everything else is inside and may change. */

// A tool of one's own.
export { defineTool, type ToolSpec } from './tools/define.ts'
export { idemKey } from './tools/fields.ts'
export type {
  EgressFetch,
  Effect,
  ServiceCall,
  Tool,
  ToolContext,
  ToolDefinition,
  ToolExample,
  ToolResult,
} from './ports/tool.ts'
export { ToolRefusal, UpstreamError } from './ports/tool.ts'

// A gateway inside another program.
export { openGateway, type Gateway } from './apps/gateway.ts'
export { ConfigError } from './apps/config-error.ts'
export { gatewayOptions } from './apps/from-config.ts'
export type { Surroundings } from './apps/surroundings.ts'
export { listen, type Addresses } from './apps/serve.ts'
export { loadConfig, resolveConfig, type LoadedConfig } from './config/load.ts'
export type { GatewayOptions } from './apps/options.ts'

// Evidence: verify a log, or export from one, without a gateway.
export { verifyEvidence, type VerifyOptions, type VerifyReport } from './apps/verify.ts'
export { exportBundle, type ExportOptions, type ExportReport } from './apps/export.ts'
export type { EvidenceRecord } from './evidence/record.ts'

// Detection: replay an incident without a gateway.
export { openRules, type RuleSet } from './detection/check.ts'
export { detector, type Detector } from './detection/fold.ts'
export { eventsOf, type DetectionEvent } from './detection/event.ts'
export type { Alert, Finding } from './detection/alert.ts'

// Policy: judge calls without a gateway.
export { compilePolicy } from './policy/compile.ts'
export { readPolicies } from './policy/read.ts'
export type { Policy, PolicyInput, PolicyVerdict } from './policy/verdict.ts'

// What calls end with, and what to do about it.
export { advice, type Advice } from './call/advice.ts'
export { deniedSchema } from './call/denied.ts'
export { codes, type Code, type Denied } from './call/outcome.ts'
