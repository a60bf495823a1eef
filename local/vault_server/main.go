// A Vault server for tests: HashiCorp's own core, storage, HTTP interface, and the engines Tidewire uses (KV, transit, AppRole,
// file audit). Left out are its other hundred engines, its clients and its page, so that it builds in minutes.
//
// It takes two of `vault server`'s forms: -dev with its flags and -experiment=NAME, and -config=FILE, a JSON file with storage.raft.path,
// storage.raft.node_id, listener.tcp.{address,cluster_address,tls_disable,tls_cert_file,tls_key_file}, api_addr and cluster_addr.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/audit/file"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

type listener struct {
	Address string `json:"address"`
	Cluster string `json:"cluster_address"`
	Disable bool   `json:"tls_disable"`
	Cert    string `json:"tls_cert_file"`
	Key     string `json:"tls_key_file"`
}

type config struct {
	Storage struct {
		Raft map[string]string `json:"raft"`
	} `json:"storage"`
	Listener struct {
		TCP listener `json:"tcp"`
	} `json:"listener"`
	APIAddress     string `json:"api_addr"`
	ClusterAddress string `json:"cluster_addr"`
}

// builtin says which engines there are; they are compiled in, so no plugin is ever started.
type builtin struct{}

var engines = map[string]consts.PluginType{"kv": consts.PluginTypeSecrets, "transit": consts.PluginTypeSecrets, "approle": consts.PluginTypeCredential}

func (builtin) Contains(name string, kind consts.PluginType) bool { return engines[name] == kind }
func (builtin) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}
func (builtin) Keys(kind consts.PluginType) []string {
	var names []string
	for name, each := range engines {
		if each == kind {
			names = append(names, name)
		}
	}
	return names
}
func (builtin) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
func (b builtin) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func main() {
	if len(os.Args) == 2 && (os.Args[1] == "version" || os.Args[1] == "-version") {
		fmt.Println("Vault v1.14.1 (core, for tests)")
		return
	}
	if len(os.Args) < 2 || os.Args[1] != "server" {
		fail(fmt.Errorf("usage: server -dev … | server -config=FILE"))
	}
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	dev := flags.Bool("dev", false, "in memory, unsealed")
	token := flags.String("dev-root-token-id", "root", "the root token")
	address := flags.String("dev-listen-address", "127.0.0.1:8200", "where to listen")
	flags.Bool("dev-no-store-token", true, "the token is never stored")
	path := flags.String("config", "", "a JSON file")
	experiment := flags.String("experiment", "", "an experiment of this version: events.alpha1")
	fail(flags.Parse(os.Args[2:]))

	logger := hclog.New(&hclog.LoggerOptions{Name: "vault", Level: hclog.Info, Output: os.Stderr})
	var settings config
	if *dev {
		settings.Listener.TCP = listener{Address: *address, Disable: true}
		settings.APIAddress = "http://" + *address
	} else {
		text, err := os.ReadFile(*path)
		fail(err)
		fail(json.Unmarshal(text, &settings))
	}
	storage, kind, err := open(*dev, settings, logger)
	fail(err)
	// Raft elects its leader, even of one, through the interface of highly available storage.
	elected, _ := storage.(physical.HABackend)
	if elected != nil && !elected.HAEnabled() {
		elected = nil
	}
	var experiments []string
	if *experiment != "" {
		experiments = append(experiments, *experiment)
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Experiments:        experiments,
		Physical:           storage,
		HAPhysical:         elected,
		StorageType:        kind,
		BuiltinRegistry:    builtin{},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory, "transit": transit.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		AuditBackends:      map[string]audit.Factory{"file": file.Factory},
		SecureRandomReader: rand.Reader,
		Logger:             logger,
		DisableMlock:       true,
		RedirectAddr:       settings.APIAddress,
		ClusterAddr:        settings.ClusterAddress,
	})
	fail(err)
	if *dev {
		fail(prepare(core, *token))
	}
	fail(serve(core, settings))
}

func open(dev bool, settings config, logger hclog.Logger) (physical.Backend, string, error) {
	if dev {
		backend, err := inmem.NewInmem(nil, logger)
		return backend, "inmem", err
	}
	backend, err := raft.NewRaftBackend(settings.Storage.Raft, logger.Named("raft"))
	return backend, "raft", err
}

// prepare initialises and unseals the core, and makes its root token the one that was asked for.
func prepare(core *vault.Core, token string) error {
	ctx := namespace.RootContext(context.Background())
	made, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
		RecoveryConfig: &vault.SealConfig{},
	})
	if err != nil {
		return err
	}
	if _, err = core.Unseal(made.SecretShares[0]); err != nil {
		return err
	}
	for _, request := range []*logical.Request{
		{Path: "auth/token/create", Data: map[string]interface{}{
			"id": token, "policies": []string{"root"}, "no_parent": true, "no_default_policy": true,
		}},
		{Path: "sys/mounts/secret", Data: map[string]interface{}{"type": "kv", "options": map[string]string{"version": "2"}}},
	} {
		request.ID, request.Operation, request.ClientToken = "dev", logical.UpdateOperation, made.RootToken
		if response, err := core.HandleRequest(ctx, request); err != nil {
			return err
		} else if response.IsError() {
			return response.Error()
		}
	}
	return nil
}

// serve answers over HTTP until SIGTERM or SIGINT, then seals.
func serve(core *vault.Core, settings config) error {
	tcp := settings.Listener.TCP
	socket, err := net.Listen("tcp", tcp.Address)
	if err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{Type: "tcp", Address: tcp.Address},
	})
	if tcp.Cluster != "" {
		cluster, err := net.ResolveTCPAddr("tcp", tcp.Cluster)
		if err != nil {
			return err
		}
		core.SetClusterListenerAddrs([]*net.TCPAddr{cluster})
	}
	core.SetClusterHandler(handler)
	server := &http.Server{Handler: handler}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan error, 1)
	go func() {
		if tcp.Disable {
			ended <- server.Serve(socket)
		} else {
			ended <- server.ServeTLS(socket, tcp.Cert, tcp.Key)
		}
	}()
	select {
	case err = <-ended:
		return err
	case <-stop:
		_ = server.Close()
		return core.Shutdown()
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
