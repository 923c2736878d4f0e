import { deepFrozen } from '../ports/json.ts'
import type { ArgumentProblem } from '../ports/tool.ts'
import type { Received, Validated } from './call.ts'
import { pass, refuse, type Stage } from './pipeline.ts'

/**
 * Asks whether the tool exists and the arguments fit it. Names each field that is wrong, never its value. What is
 * judged from here on is frozen: it is the very object the tool is given.
 */
export function validate(): Stage<Received, Validated> {
  return ({ tool, toolName, rawArgs }) => {
    if (!tool) {
      return refuse({ code: 'unknown_tool', message: `There is no tool named ${shown(toolName)}. Ask tools/list.` })
    }
    const checked = tool.validate(rawArgs)
    if (checked.ok) return pass({ checked: tool, args: deepFrozen(checked.args) })
    const [first] = checked.problems
    return refuse({
      code: 'invalid_arguments',
      message: sentence(checked.problems),
      ...(first && { field: first.field }),
    })
  }
}

function sentence(problems: readonly ArgumentProblem[]): string {
  const unknown = problems.filter((problem) => problem.unknown).map((problem) => shown(problem.field))
  const wrong = problems
    .filter((problem) => !problem.unknown)
    .map(({ field, message }) => `${shown(field)}: ${message}`)
  return [...(unknown.length > 0 ? [`Unknown field ${unknown.join(', ')}`] : []), ...wrong].slice(0, 8).join('; ') + '.'
}

/** A name from outside, safe to repeat: printable ASCII, short. */
function shown(name: string): string {
  const safe = name.replace(/[^\x21-\x7e]/g, '?')
  return safe.length > 80 ? `${safe.slice(0, 77)}...` : safe
}
