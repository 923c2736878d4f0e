import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileSecret } from '../../src/adapters/secrets-file.ts'
import { vaultSecrets, type VaultSecretsOptions } from '../../src/adapters/secrets-vault.ts'
import { vaultHttp } from '../../src/adapters/vault-http.ts'
import { vaultSession, type VaultLogin } from '../../src/adapters/vault-session.ts'
import { testClock } from './clock.ts'
import { fixedSecret } from './secrets.ts'
import type { VaultBench } from './vault-bench.ts'

interface Asking extends Partial<Pick<VaultSecretsOptions, 'holdMs' | 'refreshMs'>> {
  readonly renew?: boolean
  readonly timeoutMs?: number
}

/** Secrets from a Vault, with a clock that moves when told and rounds that run when asked for. */
export function secretsAt(url: string, login: VaultLogin, { renew = true, timeoutMs = 5_000, ...more }: Asking = {}) {
  const clock = testClock(Date.now())
  const faults: string[] = []
  const http = vaultHttp({ url, timeoutMs })
  const session = vaultSession({ http, login, renew, clock })
  const times = { refreshMs: 3_600_000, holdMs: 60_000, ...more }
  const fault = (error: Error) => void faults.push(error.message)
  const secrets = vaultSecrets({ session, origin: http.origin, clock, random: () => 0.5, fault, ...times })
  return { secrets, clock, faults }
}

export const byToken = (token: string): VaultLogin => ({ kind: 'token', token: fixedSecret(token, 'vault.token') })

/** What holds of secrets in Vault, be it a fake or a real one. */
export function vaultLaws(name: string, open: () => Promise<VaultBench>, skip = false): void {
  if (skip) process.stdout.write(`vault: ${name}\n`)
  describe.skipIf(skip)(`secrets in Vault: ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluicegate-vault-'))
    let bench: VaultBench
    beforeAll(async () => {
      bench = await open()
    })
    afterAll(async () => {
      await bench.close()
      rmSync(folder, { recursive: true, force: true })
    })

    async function opened(what: string, data: Readonly<Record<string, unknown>>, more: Asking = {}) {
      const path = `${bench.mounts.v2}/${what}`
      await bench.put(path, data)
      const at = secretsAt(bench.url, byToken(await bench.token(path)), more)
      const secret = await at.secrets.open('test.secret', { path, field: 'value' })
      return { ...at, path, secret }
    }

    it('are a field of a path, in KV v2 with an age, in KV v1 without', async () => {
      const { secret, clock, secrets } = await opened('plain', { value: 'one', other: 'two' })
      expect([secret.current(), secret.ageDays()]).toEqual(['one', 0])
      clock.advance(61 * 86_400_000)
      await secrets.refresh()
      expect(secret.ageDays()).toBe(61)
      await secrets.close()

      const path = `${bench.mounts.v1}/plain`
      await bench.put(path, { value: 'old style' })
      const v1 = secretsAt(bench.url, byToken(await bench.token(path)))
      const old = await v1.secrets.open('test.v1', { path, field: 'value' })
      expect([old.current(), old.ageDays()]).toEqual(['old style', undefined])
      await v1.secrets.close()
    })

    it('are found below a mount of several segments', async () => {
      const path = `${bench.mounts.nested}/deep/er`
      await bench.put(path, { value: 'nested' })
      const { secrets } = secretsAt(bench.url, byToken(await bench.token(path)))
      expect((await secrets.open('test.nested', { path, field: 'value' })).current()).toBe('nested')
      await secrets.close()
    })

    it('are the new ones after a rotation, both fields of one version', async () => {
      const { secret, secrets, path } = await opened('rotated', { value: 'old', other: 'old-other' })
      const other = await secrets.open('test.other', { path, field: 'other' })
      await bench.put(path, { value: 'new', other: 'new-other' })
      expect([secret.current(), other.current()]).toEqual(['old', 'old-other'])
      await secrets.refresh()
      expect([secret.current(), other.current()]).toEqual(['new', 'new-other'])
      await secrets.close()
    })

    it('are withdrawn when the version is deleted, told once, and back with a new one', async () => {
      const { secret, secrets, path, faults } = await opened('deleted', { value: 'here' })
      await bench.remove(path)
      for (let n = 0; n < 3; n++) await secrets.refresh()
      expect(() => secret.current()).toThrow('withdrawn')
      expect(faults).toEqual([expect.stringContaining('there is nothing at that path; the secret is withdrawn')])
      await bench.put(path, { value: 'again' })
      await secrets.refresh()
      expect(secret.current()).toBe('again')
      await secrets.close()
    })

    it('are withdrawn when their field is gone, or is no text', async () => {
      const { secret, secrets, path, faults } = await opened('field', { value: 'here' })
      await bench.put(path, { value: { deep: 1 } })
      await secrets.refresh()
      expect(() => secret.current()).toThrow('withdrawn')
      await bench.put(path, { other: 'x' })
      await secrets.refresh()
      expect(() => secret.current()).toThrow('withdrawn')
      expect(faults).toEqual([expect.stringContaining("no field 'value'")])
      await secrets.close()
    })

    it('are withdrawn when our token is revoked, and back with the token that takes its place', async () => {
      const path = `${bench.mounts.v2}/revoked`
      await bench.put(path, { value: 'here' })
      const [first, second] = [await bench.token(path), await bench.token(path)]
      const file = join(folder, 'token')
      writeFileSync(file, first, { mode: 0o600 })
      const clock = testClock()
      const token = fileSecret({ name: 'vault.token', path: file, ownerOnly: true, clock, fault: () => undefined })
      const { secrets, faults } = secretsAt(bench.url, { kind: 'token', token })
      const secret = await secrets.open('test.secret', { path, field: 'value' })
      await bench.revoke(first)
      await secrets.refresh()
      expect(() => secret.current()).toThrow('withdrawn')
      expect(faults).toEqual([expect.stringContaining('it refuses us (403); the secret is withdrawn')])
      writeFileSync(file, second)
      clock.advance(1_000)
      await secrets.refresh()
      expect(secret.current()).toBe('here')
      expect(JSON.stringify(faults)).not.toContain(first)
      await secrets.close()
    })

    it('are refused at the start where the token may not read them, or there are none', async () => {
      const [mine, foreign] = [`${bench.mounts.v2}/mine`, `${bench.mounts.v2}/foreign`]
      await bench.put(mine, { value: 'mine' })
      await bench.put(foreign, { value: 'foreign' })
      const token = await bench.token(mine)
      const { secrets } = secretsAt(bench.url, byToken(token))
      const place = { field: 'value' }
      await expect(secrets.open('a', { ...place, path: foreign })).rejects.toThrow('it refuses us (403)')
      await expect(secrets.open('a', { path: mine, field: 'none' })).rejects.toThrow("no field 'none'")
      await secrets.close()
      const wrong = secretsAt(bench.url, byToken('hvs.not-a-token'))
      const refused = wrong.secrets.open('services.orders.token', { ...place, path: mine })
      await expect(refused).rejects.toThrow(/^services\.orders\.token needs .*mine from Vault at http/)
      await expect(refused).rejects.not.toThrow('hvs.not-a-token')
      await wrong.secrets.close()
      const empty = `${bench.mounts.v2}/empty`
      const nothing = secretsAt(bench.url, byToken(await bench.token(empty)))
      await expect(nothing.secrets.open('a', { ...place, path: empty })).rejects.toThrow('nothing at that path')
      await nothing.secrets.close()
    })

    it('are refused where another engine than KV is mounted, and nothing there is read', async () => {
      const { secrets } = secretsAt(bench.url, byToken(await bench.token('cubbyhole/any')))
      const opening = secrets.open('services.orders.token', { path: 'cubbyhole/any', field: 'value' })
      await expect(opening).rejects.toThrow(
        /: another engine than KV is mounted there, and only KV \(version 1 or 2\) is read\./,
      )
      await secrets.close()
    })

    it('are looked for again when a field is asked for that was not there when their path was read', async () => {
      const { secret, secrets, path } = await opened('grown', { value: 'first' })
      await bench.put(path, { value: 'second', other: 'new' })
      const other = await secrets.open('test.other', { path, field: 'other' })
      expect([secret.current(), other.current()]).toEqual(['second', 'new'])
      await expect(secrets.open('test.none', { path, field: 'none' })).rejects.toThrow("no field 'none'")
      await secrets.refresh()
      expect(other.current()).toBe('new')
      await secrets.close()
    })

    it('count how often another value took over, and how often there was none', async () => {
      const { secret, secrets, path } = await opened('counted', { value: 'one' })
      await secrets.refresh()
      expect(secret.counts?.()).toEqual({ rotations: 0, failures: 0 })
      await bench.put(path, { value: 'two' })
      await secrets.refresh()
      await bench.remove(path)
      for (let n = 0; n < 2; n++) await secrets.refresh()
      await bench.put(path, { value: 'two' })
      await secrets.refresh()
      expect(secret.counts?.()).toEqual({ rotations: 1, failures: 2 })
      await secrets.close()
    })

    it('are read by an AppRole, which logs in again when its token is lost, and gives it back at the end', async () => {
      const path = `${bench.mounts.v2}/role`
      await bench.put(path, { value: 'for the role' })
      const { roleId, secretId } = await bench.appRole(path)
      const login: VaultLogin = {
        kind: 'appRole',
        mount: bench.mounts.appRole,
        roleId: fixedSecret(roleId),
        secretId: fixedSecret(secretId),
      }
      const { secrets, clock, faults } = secretsAt(bench.url, login, { renew: false })
      const secret = await secrets.open('test.secret', { path, field: 'value' })
      expect(secret.current()).toBe('for the role')
      // Two thirds of the token's hour: it is let go, and the next look logs in anew.
      clock.advance(41 * 60_000)
      await secrets.refresh()
      expect([secret.current(), faults]).toEqual(['for the role', []])
      await secrets.close()
      const wrong = secretsAt(bench.url, { ...login, secretId: fixedSecret('no-such-secret-id') })
      const refused = wrong.secrets.open('a', { path, field: 'value' })
      await expect(refused).rejects.toThrow('it refuses us (400)')
      await expect(refused).rejects.not.toThrow('no-such-secret-id')
      await wrong.secrets.close()
    })

    it('keep their token alive past its life', async () => {
      const path = `${bench.mounts.v2}/renewed`
      await bench.put(path, { value: 'here' })
      const token = await bench.token(path, { ttlSec: 8 })
      const { secrets, clock, faults } = secretsAt(bench.url, byToken(token))
      const secret = await secrets.open('test.secret', { path, field: 'value' })
      // Looked at far more often than it would have to be: a machine that stalls must not let it die.
      for (const endMs = Date.now() + 9_000; Date.now() < endMs;) {
        await new Promise((resolve) => setTimeout(resolve, 500))
        clock.advance(6_000)
        await secrets.refresh()
      }
      await bench.put(path, { value: 'newer' })
      await secrets.refresh()
      expect([secret.current(), faults]).toEqual(['newer', []])
      await secrets.close()
    })

    it('serve their last value while Vault is sealed, for so long, and are back with it', async ({ skip }) => {
      if (!bench.seal || !bench.unseal) return skip('the server is not ours to seal')
      const { secret, secrets, clock, faults } = await opened('sealed', { value: 'here' }, { holdMs: 30_000 })
      await bench.seal()
      await secrets.refresh()
      clock.advance(29_999)
      expect(secret.current()).toBe('here')
      clock.advance(1)
      expect(() => secret.current()).toThrow('withdrawn')
      for (let n = 0; n < 3; n++) await secrets.refresh()
      expect(faults).toEqual([
        expect.stringMatching(/it is sealed.*the last value serves for 30 s/),
        expect.stringMatching(/it is sealed.*the secret is withdrawn/),
      ])
      await bench.unseal()
      await secrets.refresh()
      expect(secret.current()).toBe('here')
      await secrets.close()
    })
  })
}
