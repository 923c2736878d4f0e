import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readSecret } from '../../adapters/secret-file.ts'
import { localSigner } from '../../adapters/signer-local.ts'
import { parseTrust } from '../../evidence/trust.ts'
import { bad, fine, together, type Finding } from './finding.ts'

/** The keys that the data directory holds, and the file that says whom to trust. Missing ones are made at the first start. */
export function keysFinding(data: string): Finding {
  const folder = join(data, 'keys')
  if (!existsSync(folder)) return fine('no keys yet: they are made at the first start')
  const names = readdirSync(folder).filter((name) => /\.(pem|key)$/.test(name))
  const findings = [...names.map((name) => keyFinding(join(folder, name))), trustFinding(data)]
  return together(findings, `${names.length} keys, readable by their owner alone`)
}

function keyFinding(file: string): Finding {
  try {
    const text = readSecret(file) ?? ''
    if (file.endsWith('.pem')) localSigner(text)
    else if (!/^[0-9a-f]{64}\n?$/.test(text)) throw new Error(`${file} does not hold 64 hex digits.`)
    return fine('')
  } catch (error) {
    const said = (error as Error).message
    const detail = said.startsWith(file) ? said : `${file} holds no Ed25519 private key.`
    return bad(
      detail,
      'Restore it from a backup; removing it has a new one made, and then older evidence is another key’s.',
    )
  }
}

function trustFinding(data: string): Finding {
  const file = join(data, 'trust.json')
  try {
    parseTrust(readFileSync(file, 'utf8'))
    return fine('')
  } catch (error) {
    return bad(
      `${file} cannot be used: ${(error as Error).message}`,
      'Restore it, or remove it to have it made from the keys.',
    )
  }
}

/** The token of the admin listener that the data directory holds. */
export function adminTokenFinding(data: string): Finding {
  const file = join(data, 'keys', 'admin.token')
  if (!existsSync(file)) return fine('no token yet: one is made at the first start')
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
    return bad(`${file} can be read by others.`, `Run "chmod 600 ${file}", and replace it if someone may have.`)
  return readFileSync(file, 'utf8').trim() === ''
    ? bad(`${file} is empty.`, 'Remove it: the next start makes a new one.')
    : fine(`${file} is its owner’s alone`)
}
