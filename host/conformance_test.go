package host_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/graphdriver/naivediff"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/confine"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/mount"
)

func embedded(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := driverswasm.Load(name)
	if err != nil {
		t.Skip(err)
	}
	return wasm
}

func unprivileged() bool { return !graphdriver.Privileged() }

func openAt(t testing.TB, root string, compile host.Compile) (*host.Driver, func()) {
	t.Helper()
	return openNamed(t, root, "vfs", nil, compile)
}

func openNamed(t testing.TB, root, name string, grants []string, compile host.Compile) (*host.Driver, func()) {
	t.Helper()
	d, err := host.Open(context.Background(), host.Config{
		Name: name, Home: filepath.Join(root, name), State: filepath.Join(root, "bulkhead", name),
		Embedded: true, Unprivileged: unprivileged(), Grants: grants,
		Mounts: mount.NewRecords(filepath.Join(root, "run", "mounts"), filepath.Join(root, "run", "trees")),
	}, compile)
	if errors.Is(err, graphdriver.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestConformance(t *testing.T) {
	wasm := func(limits engine.Limits) func(t *testing.T) host.Compile {
		return func(t *testing.T) host.Compile {
			return host.Wasm(runtime(t), "vfs", embedded(t, "vfs"), limits)
		}
	}
	source := func(*testing.T) host.Compile { return host.Native(vfs.Driver{}) }
	proto := func(t *testing.T) host.Compile {
		return host.Wasm(runtime(t), "minimal", build(t, "../examples/minimal-driver"), engine.Limits{})
	}
	overlay := func(limits engine.Limits) func(t *testing.T) host.Compile {
		return func(t *testing.T) host.Compile {
			return host.Wasm(runtime(t), "overlay2", embedded(t, "overlay2"), limits)
		}
	}
	inProcess := func(name string, limits engine.Limits) func(t *testing.T) host.Compile {
		return func(t *testing.T) host.Compile {
			return isolations()[1].in(t).compile(name, embedded(t, name), limits)
		}
	}
	whole := func(d *host.Driver) graphdriver.Driver { return host.Complete(d) }
	for _, test := range []struct {
		name    string
		compile func(*testing.T) host.Compile
		finish  func(*host.Driver) graphdriver.Driver
	}{
		{"vfs in wasm, an idle pool of one", wasm(engine.Limits{Idle: 1}), whole},
		{"vfs in wasm, a fresh instance before every call", wasm(engine.Limits{Idle: -1}), whole},
		{"vfs in processes, an idle pool of one", inProcess("vfs", engine.Limits{Idle: 1}), whole},
		{"vfs from source", source, whole},
		{"a ProtoDriver that the host completes", proto, whole},
		{"a ProtoDriver under naivediff", proto, func(d *host.Driver) graphdriver.Driver {
			return naivediff.New(protoOnly{d}, confine.ApplyOptions{Unprivileged: unprivileged()})
		}},
		{"overlay2 in wasm, an idle pool of one", overlay(engine.Limits{Idle: 1}), whole},
		{"overlay2 in wasm, a fresh instance before every call", overlay(engine.Limits{Idle: -1}), whole},
		{"overlay2 in processes, an idle pool of one", inProcess("overlay2", engine.Limits{Idle: 1}), whole},
		{"overlay2 from source", func(*testing.T) host.Compile { return host.Native(&overlay2.Driver{}) }, whole},
	} {
		h := graphtest.Harness{}
		if underRace { // its finds are between calls, not in their number or in what instances keep
			// What goes to a process and back is the same for each driver.
			if strings.Contains(test.name, "fresh instance") || strings.HasPrefix(test.name, "overlay2 in processes") {
				continue
			}
			h.Files, h.Depth = 400, 30
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			compile := test.compile(t)
			name, grants := "vfs", []string(nil)
			if strings.HasPrefix(test.name, "overlay2") {
				name, grants = "overlay2", driverswasm.Grants("overlay2")
			}
			h.Open = func(t testing.TB, root string) (graphdriver.Driver, func()) {
				d, done := openNamed(t, root, name, grants, compile)
				return test.finish(d), done
			}
			graphtest.Run(t, h)
		})
	}
}

// protoOnly hides all that is not a ProtoDriver.
type protoOnly struct{ graphdriver.ProtoDriver }
