/** What every answer says, whatever it is: nobody keeps it, guesses at its type, or shows it inside a page. */
export const always = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const

/** What clients of a listener with TLS are told to keep to. */
export const onlySecurely = { 'strict-transport-security': 'max-age=31536000' } as const
