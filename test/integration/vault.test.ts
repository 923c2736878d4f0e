import { vaultLaws } from '../support/vault-laws.ts'
import { noRealVault, realVault, realVaultFound } from '../support/vault-real.ts'

vaultLaws(realVaultFound ?? noRealVault, realVault, realVaultFound === undefined)
