package host_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
)

// A crossing of the wasm border is cheap in this process and dear to a child:
// batches keep them few.
func TestAtMostOneCrossingInFiftyEntries(t *testing.T) {
	const files = 6000
	ctx := context.Background()
	core, logs := observer.New(zap.DebugLevel)
	root := t.TempDir()
	d, err := host.Open(ctx, host.Config{
		Name: "vfs", Home: filepath.Join(root, "vfs"), State: filepath.Join(root, "state"),
		Embedded: true, Unprivileged: unprivileged(), Log: zap.New(core),
	}, host.Wasm(runtime(t), "vfs", embedded(t, "vfs"), engine.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(ctx)
	var entries []graphtest.Entry
	for i := range files {
		if i%4 == 0 {
			entries = append(entries, graphtest.Dir(fmt.Sprintf("d%d", i/4)))
		}
		entries = append(entries, graphtest.File(fmt.Sprintf("d%d/f%d", i/4, i), "x"))
	}
	for _, id := range []string{"base", "other"} {
		if err := d.Create(ctx, id, "", graphdriver.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ApplyDiff(ctx, id, "", bytes.NewReader(graphtest.Archive(t, entries...))); err != nil {
			t.Fatal(err)
		}
	}
	if cs, err := d.Changes(ctx, "other", "base"); err != nil || len(cs) != 0 {
		t.Fatal(len(cs), err)
	}
	if _, err := d.Changes(ctx, "other", ""); err != nil {
		t.Fatal(err)
	}
	r, err := d.Diff(ctx, "other", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, l := range logs.FilterMessage("driver call").All() {
		m := l.ContextMap()
		method, crossings := fmt.Sprint(m["method"]), m["crossings"].(int64)
		switch method {
		case "apply_diff", "diff", "changes":
			seen[method]++
			t.Logf("%s: %d crossings for %d entries", method, crossings, len(entries))
			if crossings > int64(len(entries)/50) {
				t.Errorf("%s: %d crossings for %d entries", method, crossings, len(entries))
			}
		}
	}
	if seen["apply_diff"] != 2 || seen["diff"] != 1 || seen["changes"] != 2 {
		t.Errorf("calls seen: %v", seen)
	}
}
