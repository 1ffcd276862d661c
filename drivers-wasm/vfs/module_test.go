package vfs_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
)

// The module is the same source, so it only has to be seen at work.
func TestTheModuleDoesWhatItsSourceDoes(t *testing.T) {
	wasm, err := driverswasm.Load("vfs")
	if err != nil {
		t.Skip(err)
	}
	ctx := context.Background()
	rt, err := engine.New(ctx, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(ctx)
	dir := t.TempDir()
	d, err := host.Open(ctx, host.Config{
		Name: "vfs", Home: filepath.Join(dir, "vfs"), State: filepath.Join(dir, "state"),
		Embedded: true, Unprivileged: os.Geteuid() != 0,
	}, host.Wasm(rt, "vfs", wasm, engine.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(ctx)
	build(t, d)
	source, _ := openDriver(t)
	build(t, source)
	for _, parent := range []string{"c1", "c0", ""} {
		if got, want := changes(t, d, "c2", parent), changes(t, source, "c2", parent); got != want {
			t.Errorf("changes against %q:\n got %s\nwant %s", parent, got, want)
		}
		if got, want := names(t, d, "c2", parent), names(t, source, "c2", parent); got != want {
			t.Errorf("diff against %q:\n got %s\nwant %s", parent, got, want)
		}
		got, err := d.DiffSize(ctx, "c2", parent)
		want, err2 := source.DiffSize(ctx, "c2", parent)
		if got != want || err != nil || err2 != nil {
			t.Errorf("size against %q: %d %v, want %d %v", parent, got, err, want, err2)
		}
	}
}
