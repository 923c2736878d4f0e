import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { openEvidenceLog } from '../adapters/evidence-log-file.ts'
import { readSecret } from '../adapters/secret-file.ts'
import { localSigner } from '../adapters/signer-local.ts'
import type { EvidenceEntry } from '../evidence/record.ts'
import { TrustFile } from '../evidence/trust.ts'
import type { Receipt } from '../ports/evidence-log.ts'
import type { ExportOptions, ExportReport } from './export.ts'
import { exportBundle } from './export.ts'

/** Name of the streams that exports from the command line leave. Their own, so that a running gateway is not in the way. */
const exporter = 'export'

/**
 * Exports from a data directory, beside a gateway that may be running. The `export` record goes to a stream of the
 * exporter's own. Refuses when the directory holds no deployment key: nobody would vouch for the bundle.
 */
export async function exportFromDirectory(
  options: Omit<ExportOptions, 'signer' | 'appendExport'>,
): Promise<ExportReport> {
  const { data, clock } = options
  const signer = localSigner(deploymentPem(data))
  const { deployment, keys } = await trustOf(data)
  const trusted = new Map(
    keys.filter(({ use }) => use === 'deployment').map(({ kid, pub }) => [kid, Buffer.from(pub, 'base64')]),
  )
  const appendExport = async (entry: EvidenceEntry): Promise<Receipt> => {
    const opening = { directory: data, gateway: exporter, deployment, deploymentSigner: signer, trusted, clock }
    const log = await openEvidenceLog(opening)
    try {
      return await log.append(entry)
    } finally {
      await log.close()
    }
  }
  return exportBundle({ ...options, signer, appendExport })
}

function deploymentPem(data: string): string {
  const file = path.join(data, 'keys', 'deployment.pem')
  const pem = readSecret(file)
  if (pem === undefined) throw new Error(`${file} is missing; a bundle must be signed with the deployment key.`)
  return pem
}

async function trustOf(data: string): Promise<TrustFile> {
  return TrustFile.parse(JSON.parse(await readFile(path.join(data, 'trust.json'), 'utf8')))
}
