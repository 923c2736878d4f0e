/**
 * Addresses that are not the public internet: every row of the IANA IPv4 and IPv6 Special-Purpose Address Registries,
 * text of 2026-07-18, plus multicast (RFC 5771). Rows the registry calls globally reachable stand here too: they are
 * anycast and protocol services, never a site to fetch from. IPv6 outside 2000::/3 needs no row; it is never allowed.
 */
export const specialRows: readonly (readonly [prefix: string, name: string])[] = [
  ['0.0.0.0/8', 'this network, RFC 791'],
  ['10.0.0.0/8', 'private use, RFC 1918'],
  ['100.64.0.0/10', 'shared address space, RFC 6598'],
  ['127.0.0.0/8', 'loopback, RFC 1122'],
  ['169.254.0.0/16', 'link local, RFC 3927'],
  ['172.16.0.0/12', 'private use, RFC 1918'],
  ['192.0.0.0/24', 'IETF protocol assignments, RFC 6890'],
  ['192.0.2.0/24', 'documentation, RFC 5737'],
  ['192.31.196.0/24', 'AS112-v4, RFC 7535'],
  ['192.52.193.0/24', 'AMT, RFC 7450'],
  ['192.88.99.0/24', 'deprecated 6to4 relay anycast, RFC 7526'],
  ['192.168.0.0/16', 'private use, RFC 1918'],
  ['192.175.48.0/24', 'AS112 direct delegation, RFC 7534'],
  ['198.18.0.0/15', 'benchmarking, RFC 2544'],
  ['198.51.100.0/24', 'documentation, RFC 5737'],
  ['203.0.113.0/24', 'documentation, RFC 5737'],
  ['224.0.0.0/4', 'multicast, RFC 5771'],
  ['240.0.0.0/4', 'reserved and limited broadcast, RFC 1112, RFC 8190'],
  ['2001::/23', 'IETF protocol assignments with Teredo, RFC 2928'],
  ['2001:db8::/32', 'documentation, RFC 3849'],
  ['2002::/16', '6to4, RFC 3056'],
  ['2620:4f:8000::/48', 'AS112 direct delegation, RFC 7534'],
  ['3fff::/20', 'documentation, RFC 9637'],
]

/** Top-level and second-level names that never lead to the public internet (RFC 6761, RFC 7686, RFC 8375, RFC 9476, ICANN). */
export const specialNames: readonly string[] = [
  'alt',
  'corp',
  'example',
  'home',
  'home.arpa',
  'internal',
  'intranet',
  'invalid',
  'lan',
  'local',
  'localdomain',
  'localhost',
  'mail',
  'onion',
  'private',
  'test',
]
