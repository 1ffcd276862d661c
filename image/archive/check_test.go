package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/layer"
)

type layerID = layer.DiffID

var listAll = image.ListOptions{All: true}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that is %q", err, want)
	}
}

// damage changes the file of that name in the only layer that has it.
func damage(t *testing.T, root, name string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, plaindriver.Name, "*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("files to damage: %v (%v)", found, err)
	}
	if err := os.WriteFile(found[0], []byte("PRECIOUS"), 0o644); err != nil {
		t.Fatal(err)
	}
}
