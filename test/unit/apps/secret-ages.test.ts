import { describe, expect, it } from 'vitest'
import { secretAges } from '../../../src/apps/secret-ages.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
import type { Secret } from '../../../src/ports/secret.ts'
import { meters } from '../../../src/telemetry/metrics.ts'
import { watchSecrets } from '../../../src/telemetry/secret-meters.ts'
import { testClock } from '../../support/clock.ts'
import { withdrawnSecret } from '../../support/secrets.ts'

const aged = (name: string, days: number | undefined) => ({
  name,
  current: () => 'canary-5d21',
  ageDays: () => days,
})

describe('a secret that is too old', () => {
  it('is reported at once and then once a day, until it is replaced', async () => {
    const clock = testClock()
    let days = 61
    const said: JsonObject[] = []
    const list = () => [aged('admin.token', 60), aged('services.a.token', days), aged('unknown', undefined)]
    const ages = secretAges({
      inUse: () => ({ list, rotationDays: 60 }),
      clock,
      report: (line) => void said.push(line),
    })
    for (let hour = 0; hour < 49; hour++) {
      clock.advance(3_600_000)
      ages.look()
    }
    expect(said).toHaveLength(3)
    expect(said[0]).toEqual({
      level: 'warn',
      secret: 'services.a.token',
      ageDays: 61,
      message: 'The secret of services.a.token is 61 days old; replace it (at most 60 days).',
    })
    days = 0
    clock.advance(86_400_000)
    ages.look()
    expect(said).toHaveLength(3)
    await ages.close()
  })

  it('shows its age and whether it can be used, by its key', async () => {
    const all = meters()
    watchSecrets(all.provider, () => [aged('services.a.token', 61), aged('env', undefined), withdrawnSecret('b')])
    const text = await all.text()
    await all.close()
    expect(text).toContain('sluicegate_secret_age{secret="services.a.token"} 61')
    expect(text).toContain('sluicegate_secret_available{secret="services.a.token"} 1')
    expect(text).toContain('sluicegate_secret_available{secret="b"} 0')
    expect(text).not.toMatch(/sluicegate_secret_age\{secret="(env|b)"/)
    expect(text).not.toContain('canary')
  })

  it('shows how often it was rotated and could not be had, and nothing of one that is in use no more', async () => {
    const counts = { rotations: 2, failures: 5 }
    const counted = { ...aged('services.a.token', 61), counts: () => counts }
    const all = meters()
    let inUse: readonly Secret[] = [counted, counted, aged('env', 1)]
    watchSecrets(all.provider, () => inUse)
    const text = await all.text()
    expect(text).toContain('sluicegate_secret_rotations_total{secret="services.a.token"} 2')
    expect(text).toContain('sluicegate_secret_failures_total{secret="services.a.token"} 5')
    expect(text).not.toMatch(/sluicegate_secret_(rotations|failures)_total\{secret="env"/)
    inUse = [aged('env', 1)]
    const after = await all.text()
    await all.close()
    expect(after).toContain('sluicegate_secret_age{secret="services.a.token"} NaN')
    expect(after).toContain('sluicegate_secret_available{secret="services.a.token"} NaN')
    expect(after).toContain('sluicegate_secret_available{secret="env"} 1')
  })

  it('says of those that share a series the worst', async () => {
    const all = meters()
    const many = Array.from({ length: 200 }, (_, n) => aged(`known.${n}`, 1))
    const counts = { rotations: 1, failures: 2 }
    const beyond = [aged('x', 70), aged('y', 61), withdrawnSecret('z'), aged('w', 3)]
    watchSecrets(all.provider, () => [...many, ...beyond.map((one) => ({ ...one, counts: () => counts }))])
    const text = await all.text()
    await all.close()
    expect(text).toContain('sluicegate_secret_age{secret="_OTHER"} 70')
    expect(text).toContain('sluicegate_secret_available{secret="_OTHER"} 0')
    expect(text).toContain('sluicegate_secret_failures_total{secret="_OTHER"} 8')
  })
})
