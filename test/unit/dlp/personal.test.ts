import { describe, expect, it } from 'vitest'
import { found, kinds } from './finders.ts'

describe('email addresses', () => {
  it.each([
    ['write to jane.doe+news@mail.example.co.uk.', 'email:jane.doe+news@mail.example.co.uk'],
    ["<o'brien@example.ie>", "email:o'brien@example.ie"],
    ['jürgen@müller.example', 'email:jürgen@müller.example'],
    ['?email=a_b@x.io&x=1', 'email:a_b@x.io'],
    ['(ops@example.com)', 'email:ops@example.com'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each([
    'logo@2x.png',
    'npm i left-pad@1.3.0',
    '@someone said hi',
    'user@localhost',
    'git@github.example:owner/name.git',
    'a@b',
    'x @ y.com',
    '3 apples @ 1.50 each',
  ])('are not seen in %j', (text) => expect(found(text)).toEqual([]))
})

describe('payment cards', () => {
  it.each([
    ['4111 1111 1111 1111', 'card:4111 1111 1111 1111'],
    ['5500-0055-5555-5559', 'card:5500-0055-5555-5559'],
    ['amex 3782 822463 10005', 'card:3782 822463 10005'],
    ['378282246310005', 'card:378282246310005'],
    ['paid with 4012888888881881.', 'card:4012888888881881'],
    ['card 4222222222222', 'card:4222222222222'],
    ['card 1234-5678-9012-3456', 'card:1234-5678-9012-3456'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each([
    '4111111111111112',
    '4111 1111 1111 1112',
    '1234-5678-9012-3456',
    'order 4111111111111111',
    'a4111111111111111',
    '4222222222222',
    '20250825103000',
    '1756116000000',
    '550e8400-e29b-41d4-a716-446655440000',
    '12345678-1234-4234-8234-123456789012',
  ])('are not seen in %j', (text) => expect(kinds(text)).not.toContain('card'))

  it('are found as JSON numbers are written, and not under the name of an id', () => {
    expect(kinds('4111111111111111', 'payment')).toEqual(['card'])
    expect(kinds('4111111111111111', 'order_id')).toEqual([])
  })
})

describe('phone numbers', () => {
  it.each([
    ['+1 (212) 555-0100', 'phone:+1 (212) 555-0100'],
    ['+44 20 7946 0958', 'phone:+44 20 7946 0958'],
    ['+4915112345678', 'phone:+4915112345678'],
    ['(212) 555-0100', 'phone:(212) 555-0100'],
    ['1 (212) 555-0100', 'phone:1 (212) 555-0100'],
    ['212-555-0100, then', 'phone:212-555-0100'],
    ['212.555.0100', 'phone:212.555.0100'],
    ['Tel.: 030 1234567', 'phone:030 1234567'],
    ['phone 2125550100', 'phone:2125550100'],
    ['call me on 06 12 34 56 78', 'phone:06 12 34 56 78'],
    ['home_phone: 555 0100', 'phone:555 0100'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each([
    '2125550100',
    'Smartphone 2125550100',
    'order 212 555 0100',
    'C++11 1234567',
    '2025-08-25',
    '08/25/2025 10 30',
    'v1.212.555.0100',
    '12,345,678.90',
    '1.5 + 2.5 = 4.0',
    'ISBN 978-3-16-148410-0',
    'commit 0123456789abcdef0123456789abcdef01234567',
    '100-200-300-400-500',
  ])('are not seen in %j', (text) => expect(kinds(text)).not.toContain('phone'))
})

describe('social security numbers', () => {
  it.each([
    ['123-45-6789', 'ssn:123-45-6789'],
    ['SSN 123456789', 'ssn:123456789'],
    ['social security number is 123 45 6789', 'ssn:123 45 6789'],
    ['SSN 12S-4S-6789', 'ssn:12S-4S-6789'],
    ['987-65-4321', 'ssn:987-65-4321'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each([
    '123456789',
    '123 45 6789',
    '078-05-1120',
    '123-45-67890',
    '1123-45-6789',
    '123-00-4567',
    'part 12S-4S-6789',
  ])('are not seen in %j', (text) => expect(kinds(text)).not.toContain('ssn'))
})

describe('IBANs', () => {
  it.each([
    ['GB29NWBK60161331926819', 'iban:GB29NWBK60161331926819'],
    ['pay DE89 3704 0044 0532 0130 00 today', 'iban:DE89 3704 0044 0532 0130 00'],
    ['nl91abna0417164300', 'iban:nl91abna0417164300'],
    ['IBAN: GB00NWBK60161331926819', 'iban:GB00NWBK60161331926819'],
    ['IBAN NL91ABNA04171643009999', 'iban:NL91ABNA04171643009999'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each(['GB00NWBK60161331926819', 'XX12345678901234567890', 'AB12', 'model RX5700123456789012'])(
    'are not seen in %j',
    (text) => expect(kinds(text)).not.toContain('iban'),
  )
})

describe('addresses of machines', () => {
  it.each([
    ['from 8.8.8.8:53', 'ip:8.8.8.8'],
    ['93.184.216.34/24', 'ip:93.184.216.34'],
    ['[2606:2800:220:1:248:1893:25c8:1946]:443', 'ip:2606:2800:220:1:248:1893:25c8:1946'],
    ['2606:4700::1111', 'ip:2606:4700::1111'],
    ['::ffff:8.8.8.8', 'ip:::ffff:8.8.8.8'],
    ['0a:1b:2c:3d:4e:5f', 'mac:0a:1b:2c:3d:4e:5f'],
    ['0a-1b-2c-3d-4e-5f', 'mac:0a-1b-2c-3d-4e-5f'],
    ['0a1b.2c3d.4e5f', 'mac:0a1b.2c3d.4e5f'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each([
    'v1.2.3.4',
    'version 1.2.3.4',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '12:30:45',
    'std::vector',
    'a::b',
    'https://x',
    '1234.5678.9012',
  ])('are not seen in %j', (text) => expect(found(text)).toEqual([]))

  it.each(['127.0.0.1', '10.1.2.3', '192.168.0.1', '203.0.113.9', '169.254.169.254', '::1', 'fe80::1', '2001:db8::1'])(
    'that belong to nobody are not counted: %s',
    (text) => expect(found(text)).toEqual([]),
  )
})

describe('national numbers and dates of birth', () => {
  it.each([
    ['NHS number 943 476 5919', 'national_id:943 476 5919'],
    ['Aadhaar 2345 6789 0124', 'national_id:2345 6789 0124'],
    ['PESEL 44051401359', 'national_id:44051401359'],
    ['TFN 123 456 782', 'national_id:123 456 782'],
    ['SIN 130 692 544', 'national_id:130 692 544'],
    ['DNI 12345678Z', 'national_id:12345678Z'],
    ['DOB: 1984-02-29', 'date_of_birth:1984-02-29'],
    ['born on 6/23/1982', 'date_of_birth:6/23/1982'],
  ])('are found in %j', (text, expected) => expect(found(text)).toEqual([expected]))

  it.each(['943 476 5919', 'NHS number 943 476 5918', 'DNI 12345678A', 'shipped 1984-02-29', 'due 6/23/2026'])(
    'are not seen in %j',
    (text) => expect(found(text)).toEqual([]),
  )
})

describe('ordinary business data', () => {
  it.each([
    'ord_100042',
    '#W5065081',
    'credit_card_3627996',
    '2025-08-25T10:30:00.000Z',
    '$1,234,567.89',
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '0b5c1e7e-6f3a-4f4e-9a67-3b1d0a5f7c11',
    'SKU 1234-5678-9012',
    'lat 52.520008, lon 13.404954',
    'HAT285 departs 05:00:00 from gate 12',
    'mask: email, phone',
    'eu-west 10 % rollout of checkout_v2',
  ])('holds nothing: %j', (text) => expect(found(text)).toEqual([]))
})
