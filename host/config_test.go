package host_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
)

// A driver's directory is never that of something else beneath a root.
func TestADriverHasNoReservedName(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"image", "containers", "volumes", "buildkit", "bulkhead", "graph", "tmp", "", "..", "a/b", "A", "-x", strings.Repeat("a", 65), "l\x00"} {
		d, err := host.Open(context.Background(), host.Config{
			Name: name, Home: filepath.Join(root, "home"), State: filepath.Join(root, "state"), Embedded: true,
		}, host.Native(vfs.Driver{}))
		if !errors.Is(err, graphdriver.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if d != nil {
			d.Close(context.Background())
		}
	}
}
