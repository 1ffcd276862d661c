package host_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
)

// neighbour is an honest driver that runs beside a hostile one, under the same
// root.
type neighbour struct {
	d      *host.Completed
	before string
}

func beside(t *testing.T, root string) *neighbour {
	t.Helper()
	ctx := context.Background()
	d, err := host.Open(ctx, host.Config{
		Name: "honest", Home: filepath.Join(root, "honest"), State: filepath.Join(root, "state-honest"),
		Scratch: root, Embedded: true, Unprivileged: unprivileged(), Grants: []string{"chown"},
	}, host.Native(vfs.Driver{}))
	if err != nil {
		t.Fatal(err)
	}
	n := &neighbour{d: host.Complete(d)}
	if err := d.Create(ctx, "layer", "", graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.d.ApplyDiff(ctx, "layer", "", bytes.NewReader(graphtest.Archive(t, graphtest.Dir("d"), graphtest.File("d/f", "honest")))); err != nil {
		t.Fatal(err)
	}
	n.before = n.answers(t)
	return n
}

// answers is what the driver says of its layer.
func (n *neighbour) answers(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	ok, err := n.d.Exists(ctx, "layer")
	if err != nil {
		t.Fatal(err)
	}
	r, err := n.d.Diff(ctx, "layer", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := n.d.Changes(ctx, "layer", "")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%v %q %v", ok, b, changes)
}

// same checks that it still says so.
func (n *neighbour) same(t *testing.T) {
	t.Helper()
	if after := n.answers(t); after != n.before {
		t.Errorf("the driver beside it answers %s, and before %s", after, n.before)
	}
}
