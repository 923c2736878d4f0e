module vaultserver

go 1.25.3

require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/hashicorp/vault v1.21.4
	github.com/hashicorp/vault-plugin-secrets-kv v0.25.0
	github.com/hashicorp/vault/sdk v0.21.0
)

replace github.com/99designs/keyring => github.com/Jeffail/keyring v1.2.3

replace github.com/ma314smith/signedxml v1.1.1 => github.com/moov-io/signedxml v1.1.1

// What v1.21.4 was built with: its own go.mod replaces the module by a folder, which a module cannot.
replace github.com/hashicorp/vault/sdk => github.com/hashicorp/vault/sdk v0.20.0
