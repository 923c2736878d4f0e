import { stringify } from 'yaml'
import { quantityMax, toolName } from './lookup.ts'

/** How many rules the governed side is judged by. */
export const rulesCount = 50

/** Rules that every call is judged by, whatever its tool. */
const generalCount = 12

/** A policy of fifty rules: three for the tool, twelve that every call is judged by, the rest for other tools. */
export function policyText(): string {
  const own = [
    { rule: 'bench-allow', when: { tool: toolName }, decision: 'allow' },
    {
      rule: 'bench-deny-large',
      when: { tool: toolName, cond: `args.quantity > ${quantityMax}` },
      decision: 'deny',
      reason: 'large lookups are not for agents',
    },
    { rule: 'bench-mask', when: { tool: toolName }, redact: [{ field: 'contact', mode: 'mask' }] },
  ]
  const general = Array.from({ length: generalCount }, (_, index) => generalRule(index))
  const foreign = Array.from({ length: rulesCount - own.length - generalCount }, (_, index) => foreignRule(index))
  return stringify([...own, ...general, ...foreign])
}

function generalRule(index: number) {
  const conditions = [
    `data.pii_count > ${20 + index}`,
    `egress.domain == 'closed-${index}.example'`,
    `subject.tenant == 'suspended-${index}' and not ctx.ticket`,
  ]
  return {
    rule: `bench-general-${index}`,
    when: { tool: '*', cond: conditions[index % conditions.length] },
    decision: 'deny',
    reason: 'closed to agents',
  }
}

function foreignRule(index: number) {
  return {
    rule: `bench-other-${index}`,
    when: { tool: `reports.kind_${index}`, cond: `args.count <= ${100 + index}` },
    decision: 'allow',
  }
}
