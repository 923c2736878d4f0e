import { SecretUnavailable, type Secret } from '../../src/ports/secret.ts'

/** A secret that stays as it is. */
export function fixedSecret(value: string, name = 'test.secret'): Secret {
  return { name, current: () => value, ageDays: () => 0 }
}

/** A secret that was there and is not any more. */
export function withdrawnSecret(name = 'test.secret'): Secret {
  return {
    name,
    current: () => {
      throw new SecretUnavailable(name)
    },
    ageDays: () => undefined,
  }
}
