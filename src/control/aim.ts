import { suggestion } from '../expression/vocabulary.ts'
import type { Engage } from './command.ts'

/** The tools an order may name. */
export interface ToolNames {
  /** The tool's own name, for its name or an alias of it; undefined when there is no such tool. */
  readonly own: (name: string) => string | undefined
  readonly all: readonly string[]
}

type Aim = Pick<Engage, 'kind' | 'target'>

/** The order with its tool under the name by which calls are asked about. A target that is no tool stays as it is. */
export function aimed<T extends Aim>(order: T, tools: ToolNames): T {
  if (order.kind !== 'tool' && order.kind !== 'limits') return order
  return { ...order, target: tools.own(order.target) ?? order.target }
}

/** Why the order would hold nothing: it names a tool that does not exist. The target of `limits` may be somebody else. */
export function straying({ kind, target }: Aim, tools: ToolNames): string | undefined {
  if ((kind !== 'tool' && kind !== 'limits') || tools.own(target) !== undefined) return undefined
  const near = suggestion(target, tools.all)
  if (kind === 'limits' && near === '') return undefined
  return `There is no tool '${target}'${near === '' ? `; there are ${tools.all.join(', ')}.` : near}`
}
