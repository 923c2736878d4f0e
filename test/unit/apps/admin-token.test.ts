import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { openTestGateway } from '../../support/gateway.ts'
import { send } from '../../support/wire.ts'

const patience = { timeout: 20_000, interval: 50 }

describe('the admin token of the data directory', () => {
  it('is rotated without a restart, and lets nobody in once it is taken away', async () => {
    await using gate = await openTestGateway()
    const status = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` }
      return (await send(`${gate.admin}/api/v1/switches`, { method: 'GET', headers })).status
    }
    const file = join(gate.data, 'keys', 'admin.token')
    const put = (token: string) => {
      writeFileSync(`${file}.new`, `${token}\n`, { mode: 0o600 })
      renameSync(`${file}.new`, file)
    }
    expect(await status(gate.adminToken)).toBe(200)
    put('another-token-1')
    await vi.waitFor(async () => expect(await status('another-token-1')).toBe(200), patience)
    expect(await status(gate.adminToken)).toBe(401)
    rmSync(file)
    await vi.waitFor(async () => expect(await status('another-token-1')).toBe(401), patience)
    expect(gate.reported).toContainEqual(
      expect.objectContaining({ fault: expect.stringContaining('the secret of admin.token, is not there') as string }),
    )
    put('another-token-2')
    await vi.waitFor(async () => expect(await status('another-token-2')).toBe(200), patience)
    expect(await status('another-token-1')).toBe(401)
  }, 90_000)
})
