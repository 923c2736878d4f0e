import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { revisions, scoreIn } from '../../scripts/conformance.ts'

const read = (file: string) => readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8')

describe.each(revisions)('the open scenarios of %s', (revision) => {
  const { server } = parse(read(`conformance/${revision}.yml`)) as { readonly server: readonly string[] }

  it('are as many as docs/conformance.md says', () => {
    const { scored, passed, open } = scoreIn(read('conformance.md'), revision)
    expect(open).toBe(new Set(server.map((entry) => entry.split(':')[0])).size)
    expect(passed).toBe(scored - open)
  })

  it('have a reason there, each of them', () => {
    const page = read('conformance.md')
    const named = (scenario: string) =>
      page.includes(`\`${scenario}\``) || page.includes(`\`${scenario.replace('input-required-result-', '')}\``)
    expect(server.map((entry) => entry.split(':')[0] as string).filter((scenario) => !named(scenario))).toEqual([])
  })
})
