import { describe, expect, it } from 'vitest'
import { secretAges } from '../../../src/apps/secret-ages.ts'
import type { JsonObject } from '../../../src/ports/json.ts'
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
})
