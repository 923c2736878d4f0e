import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { unknownRules } from '../../../src/config/unknown-names.ts'

const tools = ['flag.set', 'web.fetchSafe']
const problemsOf = (text: string) =>
  parseConfig(`mode: development\n${text}\n`, '/etc/sluicegate.yaml', tools).problems.map(
    ({ line, path, message }) => `${line} ${path}: ${message}`,
  )

describe('a setting for something that there is not', () => {
  it('is a problem where a tool is misspelt, and where it is called by another name', () => {
    const found = problemsOf('tools:\n  flag.sett: { enabled: false }\n  web.fetch: { costUsd: 1 }\n  flag.set: {}')
    expect(found).toEqual([
      "3 tools.flag.sett: There is no tool 'flag.sett'; did you mean 'flag.set'?",
      "4 tools.web.fetch: There is no tool 'web.fetch'; it is another name of 'web.fetchSafe': write that.",
    ])
  })

  it('is a problem where a detection is misspelt', () => {
    const { config } = parseConfig(
      'mode: development\ndetector: { stages: { rules: { loop_arest: enforce } } }',
      '/c.yaml',
    )
    if (!config) throw new Error('must parse')
    expect(unknownRules(config, ['loop_arrest'])).toMatchObject([
      {
        path: ['detector', 'stages', 'rules', 'loop_arest'],
        message: expect.stringContaining("'loop_arrest'") as string,
      },
    ])
  })

  it('is a problem of egress.block, as of egress.allow', () => {
    expect(problemsOf('egress: { block: ["https://x.example/", "ok.example", "a b"] }')).toEqual([
      expect.stringMatching(/^2 egress\.block\.0: .*without scheme/) as string,
      expect.stringMatching(/^2 egress\.block\.2: /) as string,
    ])
  })

  it('is none where the same domain is spelled in two ways', () => {
    expect(problemsOf('egress: { allow: [API.Vendor.example.], bulk: [api.vendor.example] }')).toEqual([])
  })
})
