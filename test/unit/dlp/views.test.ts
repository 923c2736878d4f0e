import { describe, expect, it } from 'vitest'
import { decodedView } from '../../../src/dlp/views.ts'
import { defaultLimits, meter } from '../../../src/dlp/meter.ts'
import { found } from './finders.ts'

const mail = 'jane.doe@mail.example'
const base64 = (text: string) => Buffer.from(text).toString('base64')
const percentAll = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
const entities = (text: string) =>
  Array.from(text)
    .map((char) => `&#${char.codePointAt(0)};`)
    .join('')
const escapes = (text: string) =>
  Array.from(text)
    .map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
const zeroWidth = (text: string) => Array.from(text).join('\u200b')
const fullWidth = (text: string) =>
  Array.from(text)
    .map((char) => (char < '!' ? char : String.fromCharCode(char.charCodeAt(0) + 0xfee0)))
    .join('')

describe('an encoded value', () => {
  it.each([
    ['percent', mail.replace('@', '%40')],
    ['percent, every byte', percentAll(mail)],
    ['percent, twice', encodeURIComponent(encodeURIComponent(mail))],
    ['HTML entities', entities(mail)],
    ['a named entity', mail.replace('@', '&commat;')],
    ['JSON escapes', escapes(mail)],
    ['zero-width characters', zeroWidth(mail)],
    ['soft hyphens', mail.replace('doe', 'd\u00adoe')],
    ['full-width forms', fullWidth(mail)],
    ['Cyrillic letters', mail.replace('example', 'ехаmрlе')],
    ['Cyrillic letters that begin the last label', mail.replace('.example', '.сom')],
    ['base64', base64(`contact: ${mail}`)],
    ['base64url without padding', Buffer.from(`contact: ${mail}`).toString('base64url')],
    ['hexadecimal', Buffer.from(mail).toString('hex')],
    ['base64 inside percent-encoding', encodeURIComponent(base64(`contact: ${mail}?`))],
    ['base64 of base64', base64(base64(`contact: ${mail}`))],
  ])('is found behind %s, and covered whole', (_name, text) => {
    const [only, ...more] = found(`see ${text} now`)
    expect(more).toEqual([])
    expect(only).toBe(`email:${text}`)
  })

  it.each([
    ['a card in full-width digits', fullWidth('4111111111111111'), 'card'],
    ['a number in Arabic digits', '١٢٣-٤٥-٦٧٨٩', 'ssn'],
    ['a phone with unusual dashes', '212\u2011555\u20110100', 'phone'],
  ])('is found as %s', (_name, text, kind) => expect(found(text)).toEqual([`${kind}:${text}`]))

  it.each([
    ['an id', base64('just an ordinary sentence, nothing more')],
    ['bytes', 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA='],
    ['a digest', '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
    ['prose in another script', 'Привет, как дела? Всё хорошо, спасибо.'],
    ['percent signs', '100% of 50% is 50%'],
  ])('that is only %s is left alone', (_name, text) => expect(found(text)).toEqual([]))
})

describe('the decoded view', () => {
  it('says where each character comes from', () => {
    const view = decodedView('a%40b&amp;c', meter(defaultLimits))
    expect(view?.text).toBe('a@b&c')
    expect([...(view?.from ?? [])]).toEqual([0, 1, 4, 5, 10, 11])
  })

  it('is not there when nothing changes', () =>
    expect(decodedView('café 100% \\n', meter(defaultLimits))).toBeUndefined())
})
