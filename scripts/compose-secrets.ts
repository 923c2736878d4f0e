/** Makes the secrets that docker-compose.yml mounts, once. They stay out of the repository. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const directory = path.join(import.meta.dirname, '../deploy/secrets')

mkdirSync(directory, { recursive: true, mode: 0o711 })
for (const name of ['admin.token', 'grafana.password']) {
  const file = path.join(directory, name)
  if (existsSync(file)) continue
  // Readable by the containers' users, who are not the host's; the directory lists nothing to others.
  writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o444 })
  process.stderr.write(`made ${path.relative(process.cwd(), file)}\n`)
}
