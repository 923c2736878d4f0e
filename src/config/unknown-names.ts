import { suggestion } from '../expression/vocabulary.ts'
import { builtInAliases } from '../tools/catalog.ts'
import type { Config } from './schema.ts'

/** A setting for something that there is not: who wrote it believes that it holds. */
export interface Unknown {
  readonly path: readonly string[]
  readonly message: string
}

/** Sections of `tools` that set something for no tool: `names` are all there is. */
export function unknownTools({ tools }: Config, names: readonly string[]): readonly Unknown[] {
  const unknown = Object.keys(tools).filter((name) => !names.includes(name))
  return unknown.map((name) => {
    const alias = Object.hasOwn(builtInAliases, name) ? builtInAliases[name] : undefined
    const hint = alias === undefined ? suggestion(name, names) : `; it is another name of '${alias}': write that`
    return { path: ['tools', name], message: sentence(`There is no tool '${name}'${hint}`) }
  })
}

/** Stages of `detector.stages.rules` for rules that are not loaded. */
export function unknownRules({ detector }: Config, names: readonly string[]): readonly Unknown[] {
  const unknown = Object.keys(detector.stages.rules).filter((name) => !names.includes(name))
  return unknown.map((name) => ({
    path: ['detector', 'stages', 'rules', name],
    message: sentence(`There is no detection '${name}'${suggestion(name, names)}`),
  }))
}

const sentence = (text: string): string => (text.endsWith('?') ? text : `${text}.`)
