import type { LoadedConfig } from '../../config/load.ts'
import { placed } from '../../policy/document.ts'
import { detectionProblems, policyProblems } from '../configured-rules.ts'
import { bad, fine, warn, type Finding } from './finding.ts'

/** Most problems that are told; `config check` tells all. */
const toldMax = 5

/** The configuration file and what it names. */
export function configurationFinding(loaded: LoadedConfig, file: string | undefined): Finding {
  const { problems, warnings } = loaded
  const check = file === undefined ? 'Choose other options.' : `Run "sluicegate config check ${file}".`
  if (problems.length > 0) return bad(some(problems.map(placed)), check)
  if (warnings.length > 0) return warn(some(warnings.map(placed)), check)
  return fine(file === undefined ? 'none given: the development configuration' : `${file}, digest ${loaded.digest.slice(0, 16)}`) // prettier-ignore
}

/** The policy opens, and its own rules keep their examples. */
export function policiesFinding(loaded: LoadedConfig): Finding {
  const problems = policyProblems(loaded)
  return problems.length === 0
    ? fine('they open, and keep their examples')
    : bad(some(problems), 'Mend the rules: "sluicegate policy test" runs their examples.')
}

/** The detections open, and keep their examples. */
export async function detectionsFinding({ config }: LoadedConfig): Promise<Finding> {
  const problems = config ? await detectionProblems(config) : []
  return problems.length === 0
    ? fine('they open, and keep their examples')
    : bad(some(problems), 'Mend the rules: "sluicegate rules test" runs their examples.')
}

function some(lines: readonly string[]): string {
  const more = lines.length - toldMax
  return [...lines.slice(0, toldMax), ...(more > 0 ? [`… and ${more} more`] : [])].join(' ')
}
