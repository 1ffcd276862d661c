package host_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/mount"
)

// overlays opens overlay2 with a chain of two layers, base and top.
func overlays(t testing.TB, root string) *host.Driver {
	t.Helper()
	d, done := openNamed(t, root, "overlay2", driverswasm.Grants("overlay2"), host.Native(&overlay2.Driver{}))
	t.Cleanup(done)
	return d
}

func fillLayer(t testing.TB, d *host.Driver, id, parent string, entries ...graphtest.Entry) {
	t.Helper()
	if err := d.Create(t.Context(), id, parent, graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ApplyDiff(t.Context(), id, parent, bytes.NewReader(graphtest.Archive(t, entries...))); err != nil {
		t.Fatal(err)
	}
}

func TestMountsOutliveTheDriverAndCount(t *testing.T) {
	root := t.TempDir()
	d := overlays(t, root)
	fillLayer(t, d, "base", "", graphtest.File("a", "1"))
	fillLayer(t, d, "top", "base", graphtest.File("b", "1"))
	m, err := d.MountAt(t.Context(), "top", "", "")
	if err != nil {
		t.Fatal(err)
	}
	other := overlays(t, root) // as another process sees it
	defer other.UnmountAt(context.Background(), m.Target, true)
	if all, err := other.Mounts(t.Context()); err != nil || len(all) != 1 || all[0].ID != "top" || all[0].ReadWrite {
		t.Errorf("%+v %v", all, err)
	}
	if err := other.Remove(t.Context(), "top"); !errors.Is(err, graphdriver.ErrBusy) {
		t.Errorf("removal of a mounted layer: %v", err)
	}
	if err := os.WriteFile(filepath.Join(m.Target, "c"), nil, 0o644); err == nil {
		t.Error("a layer that was filled by ApplyDiff can be written to")
	}
	if err := other.UnmountAt(t.Context(), m.Target, false); err != nil {
		t.Error(err)
	}
	if err := other.Remove(t.Context(), "top"); err != nil {
		t.Error(err)
	}
}

func TestGetCountsAndPutUnmounts(t *testing.T) {
	root := t.TempDir()
	d := overlays(t, root)
	fillLayer(t, d, "base", "", graphtest.File("a", "1"))
	if err := d.CreateReadWrite(t.Context(), "rw", "base", graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	first, err := d.Get(t.Context(), "rw", "")
	if err != nil {
		t.Fatal(err)
	}
	if second, err := d.Get(t.Context(), "rw", ""); err != nil || second != first {
		t.Errorf("%s %v, before %s", second, err, first)
	}
	if err := os.WriteFile(filepath.Join(first, "new"), []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
	for i, want := range []bool{true, false} {
		if err := d.Put(t.Context(), "rw"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(first, "new")); (err == nil) != want {
			t.Errorf("after %d of two: %v", i+1, err)
		}
	}
	cs, err := d.Changes(t.Context(), "rw", "base")
	if err != nil || len(cs) != 1 || cs[0].String() != "A /new" {
		t.Errorf("%v %v", cs, err)
	}
}

// A process that dies while it has a layer mounted leaves nothing behind that
// the next does not take away.
func TestWhatADeadProcessLeftMountedIsTakenAway(t *testing.T) {
	if dir := os.Getenv("BULKHEAD_TEST_DIES_IN"); dir != "" {
		d := overlays(t, dir)
		fillLayer(t, d, "base", "", graphtest.File("a", "1"))
		fillLayer(t, d, "top", "base", graphtest.File("b", "1"))
		if _, err := d.Get(t.Context(), "top", ""); err != nil {
			t.Fatal(err)
		}
		os.Exit(7)
	}
	root := t.TempDir()
	overlays(t, filepath.Join(root, "probe")) // skips where overlay cannot be used
	cmd := exec.Command(os.Args[0], "-test.run=^TestWhatADeadProcessLeftMountedIsTakenAway$")
	cmd.Env = append(os.Environ(), "BULKHEAD_TEST_DIES_IN="+root)
	var exit *exec.ExitError
	if out, err := cmd.CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("%v\n%s", err, out)
	}
	beneath := func() (n int) {
		t.Helper()
		table, err := mount.ReadTable()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range table {
			if strings.HasPrefix(e.Target, root+"/") {
				n++
			}
		}
		return n
	}
	if n := beneath(); n != 1 {
		t.Fatalf("%d mounts after the process died, so this tests nothing", n)
	}
	d := overlays(t, root)
	if n := beneath(); n != 0 {
		t.Errorf("%d mounts are left", n)
	}
	if err := d.Remove(t.Context(), "top"); err != nil {
		t.Error(err)
	}
}
