package naivediff_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/graphdriver/naivediff"
	"github.com/bulkhead/bulkhead/host/confine"
)

// trees is a driver of plain directories that counts what is taken.
type trees struct {
	graphdriver.ProtoDriver
	root string

	mu      sync.Mutex
	taken   int
	removed []string
	put     error
}

func (d *trees) Get(_ context.Context, id, _ string) (string, error) {
	p := filepath.Join(d.root, id)
	if _, err := os.Stat(p); err != nil {
		return "", graphdriver.ErrNotFound
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken++
	return p, nil
}

func (d *trees) Put(context.Context, string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken--
	return d.put
}

func (d *trees) Remove(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed = append(d.removed, id)
	return nil
}

func (d *trees) allPut(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken != 0 {
		t.Errorf("%d trees are still taken", d.taken)
	}
}

func open(t *testing.T) (*trees, graphdriver.Driver) {
	t.Helper()
	d := &trees{root: t.TempDir()}
	for _, p := range []string{"old/d", "new/d"} {
		must(t, os.MkdirAll(filepath.Join(d.root, p), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(d.root, "new/d/f"), bytes.Repeat([]byte("x"), 1<<20), 0o644))
	return d, naivediff.New(d, confine.ApplyOptions{Unprivileged: os.Getuid() != 0})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryTreeIsGivenBack(t *testing.T) {
	ctx := context.Background()
	d, n := open(t)
	if _, err := n.Changes(ctx, "new", "old"); err != nil {
		t.Error(err)
	}
	if size, err := n.DiffSize(ctx, "new", "old"); err != nil || size != 1<<20 {
		t.Errorf("%d %v", size, err)
	}
	if _, err := n.Changes(ctx, "new", "missing"); !errors.Is(err, graphdriver.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := n.Diff(ctx, "missing", ""); !errors.Is(err, graphdriver.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := n.ApplyDiff(ctx, "new", "", strings.NewReader("no archive")); err == nil {
		t.Error("garbage was applied")
	}
	r, err := n.Diff(ctx, "new", "old")
	must(t, err)
	must(t, r.Close()) // before anything was read
	d.allPut(t)
}

func TestAWalkEndsWithItsContextAndIsNeverAnEnd(t *testing.T) {
	d, n := open(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("a reason")
	r, err := n.Diff(ctx, "new", "")
	must(t, err)
	_, err = io.ReadFull(r, make([]byte, 1000))
	must(t, err)
	cancel(reason)
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, reason) {
		t.Errorf("ended by %v", err)
	}
	must(t, r.Close())
	d.allPut(t)
}

func TestAFailedPutIsNotLost(t *testing.T) {
	d, n := open(t)
	d.put = errors.New("cannot put")
	r, err := n.Diff(context.Background(), "new", "")
	must(t, err)
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, d.put) {
		t.Errorf("reading: %v", err)
	}
	if err := r.Close(); !errors.Is(err, d.put) {
		t.Errorf("closing: %v", err)
	}
	if _, err := n.DiffSize(context.Background(), "new", ""); !errors.Is(err, d.put) {
		t.Errorf("size: %v", err)
	}
}

func TestARemovalWaitsForTheWalk(t *testing.T) {
	d, n := open(t)
	r, err := n.Diff(context.Background(), "new", "old")
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for _, id := range []string{"new", "old"} {
		if err := n.Remove(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s beside a walk: %v", id, err)
		}
	}
	must(t, r.Close())
	must(t, n.Remove(context.Background(), "new"))
	if len(d.removed) != 1 {
		t.Errorf("removed %v", d.removed)
	}
}

func TestFilesAreReadByTheirArchivesNames(t *testing.T) {
	ctx := context.Background()
	_, n := open(t)
	_, err := n.ApplyDiff(ctx, "old", "", bytes.NewReader(graphtest.Archive(t,
		graphtest.Symlink("abs", "/d"), graphtest.File("abs/f", "content"), graphtest.Node(tar.TypeFifo, "fifo", 0, 0))))
	must(t, err)
	g, err := n.(graphdriver.DiffGetterDriver).DiffGetter(ctx, "old")
	must(t, err)
	for _, name := range []string{"abs/f", "./abs/f", "d/f", "/d/f"} {
		f, err := g.Get(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, err := io.ReadAll(f); err != nil || string(b) != "content" {
			t.Errorf("%s: %q %v", name, b, err)
		}
		f.Close()
	}
	for name, want := range map[string]error{"missing": graphdriver.ErrNotFound, "d": graphdriver.ErrCorrupt, "fifo": graphdriver.ErrCorrupt, "../new/d/f": layertar.ErrRefused} {
		if _, err := g.Get(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	must(t, g.Close())
}
