import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { stringify } from 'yaml'
import { describe, expect, it } from 'vitest'
import { openRules } from '../../src/detection/check.ts'
import { runExamples } from '../../src/detection/examples.ts'
import { mutations } from './mutations.ts'
import { shippedFiles, shippedRules } from './shipped-rules.ts'

const root = resolve(import.meta.dirname, '../..')
const set = shippedRules()
const results = runExamples(set)
const alerting = set.rules.filter(({ rule }) => !set.bases.has(rule.name))

describe('the shipped rules', () => {
  it('check without a problem or a warning', () => {
    const { problems, warnings } = openRules(shippedFiles())
    expect({ problems, warnings }).toEqual({ problems: [], warnings: [] })
  })

  it('are the ones the project promises', () => {
    expect(alerting.map(({ rule }) => rule.name).sort()).toEqual([
      'exfil_new_vendor_spike',
      'long_token_write',
      'loop_arrest',
      'novel_tool_chain',
      'scope_drift',
      'scope_drift_own_grant',
      'tainted_sink',
    ])
  })

  it.each(alerting.map(({ rule }) => [rule.name, rule.runbook] as const))('%s has a runbook', (_name, runbook) => {
    expect(runbook).toBeDefined()
    expect(existsSync(resolve(root, runbook!))).toBe(true)
  })

  it('mean the same whatever order their files are read in', () => {
    expect(openRules(shippedFiles().toReversed()).set?.digest).toBe(set.digest)
  })

  it('change their digest with any threshold, and not with an example', () => {
    const [file] = shippedFiles().filter(({ text }) => text.includes('loop.same_call|gte: 5'))
    const digestWith = (from: string, to: string) =>
      openRules(shippedFiles().map((one) => (one.file === file!.file ? { ...one, text: one.text.replace(from, to) } : one))).set?.digest
    expect(digestWith('loop.same_call|gte: 5', 'loop.same_call|gte: 6')).not.toBe(set.digest)
    expect(digestWith('name: four are not enough', 'name: four do not suffice')).toBe(set.digest)
  })
})

describe.each(alerting.map(({ rule }) => rule.name))('%s', (name) => {
  const own = results.filter(({ rule }) => rule === name)

  it.each(own.map((result) => [result.example, result.message] as const))('%s', (_example, message) => {
    expect(message).toBeUndefined()
  })
})

const guarded = set.rules.filter(({ source }) => mutations(source).length > 0)

describe.each(guarded.map((loaded) => [loaded.rule.name, loaded] as const))('the thresholds of %s', (_name, loaded) => {
  const file = set.rules.filter((other) => other.file === loaded.file)

  it.each(mutations(loaded.source).map((mutation) => [`${mutation.path} ${JSON.stringify(mutation.from)} -> ${JSON.stringify(mutation.to)}`, mutation] as const))(
    'are guarded: %s',
    (_what, { source }) => {
      const text = file.map((one) => stringify(one === loaded ? source : one.source, { aliasDuplicateObjects: false })).join('---\n')
      const { set: mutated, problems } = openRules([{ file: 'mutated.yml', text }])
      const broken = mutated ? runExamples(mutated).filter(({ ok }) => !ok) : problems
      expect(broken).not.toEqual([])
    },
  )
})
