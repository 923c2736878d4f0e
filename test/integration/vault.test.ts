import { vaultLaws } from '../support/vault-laws.ts'
import { noRealVault, realVault, realVaultFound } from '../support/vault-real.ts'

if (realVaultFound === undefined) process.stdout.write(`vault: ${noRealVault}\n`)

vaultLaws(realVaultFound ?? noRealVault, realVault, realVaultFound === undefined)
