import { secretReferences } from '../../config/secrets-section.ts'
import type { Config } from '../../config/schema.ts'
import type { Secret } from '../../ports/secret.ts'
import { exposedSecrets, type StartedWith } from '../exposure.ts'
import { isOld } from '../secret-ages.ts'
import { inUse, secretsFor } from '../secrets.ts'
import { bad, fine, together, told, warn, type Finding } from './finding.ts'

/** What was found, and the secrets themselves, so that no output repeats one. */
export interface SecretsFound {
  readonly finding: Finding
  readonly opened: readonly Secret[]
}

/** Every secret the configuration points to: whether it can be had, how old it is, and whether others can read it, too. */
export async function secretsFound(config: Config, started: StartedWith): Promise<SecretsFound> {
  const secrets = inUse(secretsFor(config, { environment: started.environment, report: () => undefined }))
  const references = secretReferences(config)
  const missing = await Promise.all(
    references.map(async ({ name, ref }) => {
      const why = await secrets.open(name, ref).then(() => undefined, told)
      return why === undefined ? [] : [bad(`${name}: ${why}`, `Put the secret where ${name} says.`)]
    }),
  )
  const opened = [...new Map(secrets.list().map((secret) => [secret.name, secret])).values()]
  const findings = [...missing.flat(), ...opened.map((secret) => ageFinding(secret, secrets.rotationDays))]
  const exposed = exposedSecrets(opened, started).map((line) =>
    (config.mode === 'production' ? bad : warn)(line, 'Remove it there.'),
  )
  await secrets.close()
  return { finding: together([...findings, ...exposed], `${references.length} can be read, none too old`), opened }
}

function ageFinding({ name, ageDays }: Secret, daysMax: number): Finding {
  const days = ageDays()
  return isOld(days, daysMax)
    ? warn(`The secret of ${name} is ${days} days old.`, `Replace it: secrets are to be younger than ${daysMax} days.`)
    : fine('')
}
