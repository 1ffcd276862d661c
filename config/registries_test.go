package config_test

import (
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/config"
)

func TestRegistriesAreSetByTheirHosts(t *testing.T) {
	path := write(t, "c.yaml", `
registries:
  docker.io: {mirrors: ["127.0.0.1:5000", "localhost:5001/cache"]}
  "[::1]:5000": {insecure: true}
  "localhost:5001": {ca: /etc/ca.pem}
  127.0.0.1:7: {}
keep-blobs: true
`)
	l, err := config.Load(config.Sources{File: path, NoEnv: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Registries["docker.io"].Mirrors; len(got) != 2 || got[1] != "localhost:5001/cache" {
		t.Errorf("mirrors %q", got)
	}
	if !l.Registries["[::1]:5000"].Insecure || l.Registries["localhost:5001"].CA != "/etc/ca.pem" || !l.KeepBlobs || len(l.Registries) != 4 {
		t.Errorf("%+v", l.Registries)
	}
	if s := setting(t, l, "registries.[::1]:5000.insecure"); s.Value != true || s.Origin != "file "+path {
		t.Errorf("%+v", s)
	}
}

func TestARegistryThatCannotBeIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`registries: {index.docker.io: {}}`:                             "is docker.io",
		`registries: {nothost: {}}`:                                     "HOST",
		`registries: {"127.0.0.1:5000/x": {}}`:                          "HOST",
		`registries: {docker.io: {mirrors: ["http://127.0.0.1:5000"]}}`: "leave the scheme out",
		`registries: {docker.io: {mirrors: ["x y"]}}`:                   "HOST[:PORT][/PATH]",
		`registries: {docker.io: {miror: ["127.0.0.1:5000"]}}`:          "mirrors",
	} {
		_, err := config.Load(config.Sources{File: write(t, "c.yaml", text), NoEnv: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
