import { describe, expect, it } from 'vitest'
import type { Tool } from '../../../src/ports/tool.ts'
import { builtInTools } from '../../../src/tools/built-in.ts'
import { builtInAliases, catalog } from '../../../src/tools/catalog.ts'
import { flagSet } from '../../../src/tools/flag-set.ts'
import { ordersExport } from '../../../src/tools/orders-export.ts'
import { webFetchSafe } from '../../../src/tools/web-fetch-safe.ts'

const changed = (tool: Tool, definition: Partial<Tool['definition']>): Tool => ({
  ...tool,
  definition: { ...tool.definition, ...definition },
})

describe('the catalog', () => {
  it('lists tools in the order they were given and finds them by name', () => {
    const { list, get } = catalog([flagSet, ordersExport])
    expect(list).toEqual([flagSet, ordersExport])
    expect(get('orders.export')).toBe(ordersExport)
    expect([get('orders'), get('__proto__'), get('constructor'), get('')]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('knows the name that documents use for the safe fetch', () => {
    const { get, list, digestOf } = catalog([webFetchSafe], builtInAliases)
    expect(get('web.fetch')).toBe(webFetchSafe)
    expect(list).toHaveLength(1)
    expect(digestOf('web.fetch')).toBe(digestOf('web.fetchSafe'))
  })

  it('holds the four built-in tools', () => {
    const names = catalog(builtInTools, builtInAliases).list.map((tool) => tool.definition.name)
    expect(names).toEqual(['orders.export', 'flag.set', 'web.fetchSafe', 'crm.bulk_update'])
  })

  it('refuses two tools of one name', () => {
    expect(() => catalog([flagSet, flagSet])).toThrow('Two tools are named flag.set')
  })

  it.each(['', 'a b', 'flag/set', 'x'.repeat(129), 'ﬂag.set', 'a\n'])('refuses the name %j', (name) => {
    expect(() => catalog([changed(flagSet, { name })])).toThrow('is not 1 to 128')
  })

  it('refuses an alias that hides a tool or leads nowhere', () => {
    expect(() => catalog([flagSet, ordersExport], { 'flag.set': 'orders.export' })).toThrow('hides a tool')
    expect(() => catalog([flagSet], { flag: 'flag.get' })).toThrow('which is no tool')
  })

  it('has a digest that changes with every part of the wire object, and with nothing else', () => {
    const { digest } = catalog([flagSet, ordersExport])
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
    expect(catalog([flagSet, { ...ordersExport, costUsd: 9 }]).digest).toBe(digest)
    const variants: readonly Partial<Tool['definition']>[] = [
      { name: 'orders.export2' },
      { title: 'x' },
      { description: `${ordersExport.definition.description} ` },
      { inputSchema: { type: 'object' } },
      { outputSchema: { type: 'object' } },
      { annotations: { ...ordersExport.definition.annotations, readOnlyHint: false } },
    ]
    const digests = variants.map((variant) => catalog([flagSet, changed(ordersExport, variant)]).digest)
    expect(new Set([digest, ...digests]).size).toBe(variants.length + 1)
    expect(catalog([ordersExport, flagSet]).digest).not.toBe(digest)
  })
})
