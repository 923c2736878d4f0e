// A Vault server of the real thing's own parts: core, HTTP API, kv and approle, in memory, on loopback.
// It prints one JSON line {"address","token","key"} and serves until standard input ends.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// Everything this server has is compiled in below; the catalog of plugins only has to know the names.
type builtin struct{}

func (builtin) Contains(name string, kind consts.PluginType) bool {
	return kind == consts.PluginTypeSecrets && name == "kv" || kind == consts.PluginTypeCredential && name == "approle"
}

func (b builtin) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	if !b.Contains(name, kind) {
		return nil, false
	}
	factory := logical.Factory(kv.Factory)
	if name == "approle" {
		factory = approle.Factory
	}
	return func() (interface{}, error) { return factory, nil }, true
}

func (builtin) Keys(kind consts.PluginType) []string {
	switch kind {
	case consts.PluginTypeSecrets:
		return []string{"kv"}
	case consts.PluginTypeCredential:
		return []string{"approle"}
	}
	return nil
}

func (b builtin) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (builtin) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func main() {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr})
	physical, err := inmem.NewInmem(nil, logger)
	must(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           physical,
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		BuiltinRegistry:    builtin{},
		DisableMlock:       true,
		Logger:             logger,
	})
	must(err)
	one := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: one, RecoveryConfig: one})
	must(err)
	key := append([]byte{}, made.SecretShares[0]...)
	_, err = core.Unseal(made.SecretShares[0])
	must(err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	line := map[string]string{
		"address": "http://" + listener.Addr().String(),
		"token":   made.RootToken,
		"key":     base64.StdEncoding.EncodeToString(key),
	}
	go func() {
		must(http.Serve(listener, vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})))
	}()
	must(json.NewEncoder(os.Stdout).Encode(line))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
