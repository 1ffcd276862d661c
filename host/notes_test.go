package host_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"

	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
)

// A note that was not synced can be there after a power cut with nothing in
// it, or with the zeros of blocks that were never written.
func TestANoteThatAPowerCutEmptiedIsALostHintAndNoDamage(t *testing.T) {
	root := t.TempDir()
	ctx := context.Background()
	d, end := openAt(t, root, host.Native(vfs.Driver{}))
	if err := d.Create(ctx, "a", "", graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	end()
	notes, err := filepath.Glob(filepath.Join(root, "bulkhead/vfs/*.json"))
	if err != nil || len(notes) < 2 {
		t.Fatal(notes, err)
	}
	for i, note := range notes {
		if err := os.WriteFile(note, make([]byte, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, end = openAt(t, root, host.Native(vfs.Driver{}))
	defer end()
	if ok, err := d.Exists(ctx, "a"); err != nil || !ok {
		t.Errorf("%v %v", ok, err)
	}
	if err := d.Remove(ctx, "a"); err != nil {
		t.Error(err)
	}
}
