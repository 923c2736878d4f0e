import { describe, expect, it } from 'vitest'
import { registrableDomain } from '../../../src/detection/domain.ts'

describe('the registrable domain', () => {
  it.each([
    ['sub.shop.example.com', 'example.com'],
    ['example.com', 'example.com'],
    ['Example.COM.', 'example.com'],
    ['a.b.example.co.uk', 'example.co.uk'],
    ['shop.example.com.au', 'example.com.au'],
    ['someone.github.io', 'someone.github.io'],
    ['x.someone.github.io', 'someone.github.io'],
    ['co.uk', 'co.uk'],
    ['localhost', 'localhost'],
    ['10.0.0.1', '10.0.0.1'],
    ['0x7f.1', '0x7f.1'],
    ['[::1]', '[::1]'],
    ['2606:4700::1111', '2606:4700::1111'],
  ])('of %s is %s', (host, expected) => expect(registrableDomain(host)).toBe(expected))
})
