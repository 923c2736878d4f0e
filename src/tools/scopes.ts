import type { Tool } from '../ports/tool.ts'

/**
 * Every scope that a tool is known to ask for: those that make it visible, those its examples need, and for a tool that
 * returns personal data the right to see that in clear. A scope beyond these opens nothing.
 */
export function scopesAsked(tools: readonly Tool[]): readonly string[] {
  return [...new Set(tools.flatMap(scopesOf))].toSorted()
}

function scopesOf(tool: Tool): readonly string[] {
  const examples = tool.examples.flatMap(({ args }) => {
    const valid = tool.validate(args)
    return valid.ok ? tool.scopes(valid.args) : []
  })
  const asked = [...tool.visibleWith, ...examples]
  return tool.returnsPii === true ? [...asked, ...asked.map((scope) => `${scope}:unmasked`)] : asked
}
