package hostile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/mount"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/layer"
)

// stack are the stores over a driver that ships, with a directory outside.
type stack struct {
	archive.Stores
	dir, root, temp, outside, driver string
}

// openStores opens them beneath a new root. Nothing is left open afterwards.
func openStores(t testing.TB, driver string) *stack {
	t.Helper()
	ctx := context.Background() // closing comes after the test's own has ended
	dir := t.TempDir()
	s := &stack{dir: dir, root: filepath.Join(dir, "root"), temp: filepath.Join(dir, "temp"), outside: guarded(t), driver: driver}
	for _, d := range []string{s.root, s.temp} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wasm, err := driverswasm.Load(driver)
	if err != nil {
		t.Skip(err)
	}
	rt, err := engine.New(ctx, engine.Config{CacheDir: os.Getenv("BULKHEAD_TEST_NATIVE")})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, func() error { return rt.Close(ctx) })
	d, err := host.Open(ctx, host.Config{
		Name: driver, Home: filepath.Join(s.root, driver), State: filepath.Join(s.root, "bulkhead", driver), Scratch: s.temp,
		Embedded: true, Unprivileged: !graphdriver.Privileged(), Grants: driverswasm.Grants(driver),
		Mounts: mount.NewRecords(filepath.Join(dir, "run/mounts"), filepath.Join(dir, "run/trees")),
	}, host.Wasm(rt, driver, wasm, engine.Limits{}))
	if errors.Is(err, graphdriver.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	closing(t, func() error { return d.Close(ctx) })
	s.Layers, err = layer.Open(ctx, layer.Options{Root: s.root, DriverName: driver, Driver: host.Complete(d)})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s.Layers.Close)
	s.Images, err = image.Open(ctx, image.Options{Root: s.root, DriverName: driver, Layers: s.Layers})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closing(t testing.TB, end func() error) {
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// base is the directory of a layer's files.
func (s *stack) base(t *testing.T, l layer.Layer) string {
	t.Helper()
	hex := string(l.ChainID())[len("sha256:"):]
	id, err := os.ReadFile(filepath.Join(s.root, "image", s.driver, "layerdb/sha256", hex, "cache-id"))
	if err != nil {
		t.Fatal(err)
	}
	if s.driver == "overlay2" {
		return filepath.Join(s.root, s.driver, string(id), "diff")
	}
	return filepath.Join(s.root, s.driver, "dir", string(id))
}
