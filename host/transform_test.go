package host_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/layer"
)

// A driver that keeps content in a form of its own is as good a store: the
// host asks it for each file, or, where it claims to reproduce its archives
// and was seen to, for the whole.
func TestADriverThatKeepsArchivesStoresLayersExactly(t *testing.T) {
	archive := graphtest.Archive(t,
		graphtest.Dir("d"), graphtest.File("d/f", "content"), graphtest.File("./big", strings.Repeat("0123456789", 300_000)),
		graphtest.Symlink("s", "d/f"), graphtest.File("d/empty", ""))
	for _, tags := range []string{"", "exact"} {
		t.Run("tags="+tags, func(t *testing.T) {
			ctx := context.Background()
			wasm := build(t, "testdata/rawtar", "-tags="+tags)
			root := t.TempDir()
			d, err := host.Open(ctx, host.Config{
				Name: "rawtar", Home: filepath.Join(root, "rawtar"), State: filepath.Join(root, "bulkhead", "rawtar"),
				Isolation: host.Thread, Unprivileged: unprivileged(),
			}, host.Wasm(runtime(t), "rawtar", wasm, engine.Limits{}))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close(ctx)
			store, err := layer.Open(ctx, layer.Options{Root: root, DriverName: "rawtar", Driver: host.Complete(d)})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			l, err := store.Register(ctx, bytes.NewReader(archive), "", layer.RegisterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = os.Stat(filepath.Join(root, "image/rawtar/layerdb/sha256", strings.TrimPrefix(l.ChainID().String(), "sha256:"), "tar-split.json.gz"))
			if kept := err == nil; kept != (tags == "") {
				t.Errorf("tar-split kept: %v", kept)
			}
			if got, err := read(ctx, l); err != nil || !bytes.Equal(got, archive) {
				t.Fatalf("%d bytes of %d come out: %v", len(got), len(archive), err)
			}
			kept := filepath.Join(root, "rawtar", l.CacheID(), "layer.tar")
			b, err := os.ReadFile(kept)
			if err != nil {
				t.Fatal(err)
			}
			b[bytes.Index(b, []byte("content"))] ^= 1
			if err := os.WriteFile(kept, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := read(ctx, l); !errors.Is(err, layer.ErrCorrupt) {
				t.Errorf("after a byte was changed: %v", err)
			}
		})
	}
}

// A driver that claims to give back the very archives, and gives others, is
// not believed: the record of each layer stays, and what comes out is right.
func TestAFalseClaimOfExactDiffsIsNotBelieved(t *testing.T) {
	ctx := context.Background()
	archive := graphtest.Archive(t, graphtest.Dir("d"), graphtest.File("d/f", "content"))
	wasm := build(t, "testdata/rawtar", "-tags=exact,liar")
	for _, iso := range isolations() {
		t.Run(iso.name, func(t *testing.T) {
			root := t.TempDir()
			d, err := host.Open(ctx, host.Config{
				Name: "rawtar", Home: filepath.Join(root, "rawtar"), State: filepath.Join(root, "bulkhead", "rawtar"),
				Isolation: iso.where, Unprivileged: unprivileged(),
			}, iso.in(t).compile("rawtar", wasm, engine.Limits{}))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close(ctx)
			if !d.Capabilities().ReproducesExactDiffs {
				t.Fatal("it does not claim to")
			}
			store, err := layer.Open(ctx, layer.Options{Root: root, DriverName: "rawtar", Driver: host.Complete(d)})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			l, err := store.Register(ctx, bytes.NewReader(archive), "", layer.RegisterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			record := filepath.Join(root, "image/rawtar/layerdb/sha256", strings.TrimPrefix(l.ChainID().String(), "sha256:"), "tar-split.json.gz")
			if _, err := os.Stat(record); err != nil {
				t.Errorf("the claim is believed: %v", err)
			}
			if got, err := read(ctx, l); err != nil || !bytes.Equal(got, archive) {
				t.Errorf("%d bytes of %d come out: %v", len(got), len(archive), err)
			}
			// Without the record nothing is left but the driver's word.
			if err := os.Remove(record); err != nil {
				t.Fatal(err)
			}
			if _, err := read(ctx, l); !errors.Is(err, layer.ErrCorrupt) {
				t.Errorf("what it gives in place of the archive is passed on: %v", err)
			}
		})
	}
}

func read(ctx context.Context, l layer.Layer) ([]byte, error) {
	r, err := l.TarStream(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// xor reads each entry's content itself, and emits content of its own.
func TestADriverThatTransformsContentGivesItBack(t *testing.T) {
	ctx := context.Background()
	big := strings.Repeat("0123456789", 300_000)
	archive := graphtest.Archive(t,
		graphtest.Dir("d"), graphtest.File("d/f", "content"), graphtest.File("big", big), graphtest.File("after", "x"),
		graphtest.Symlink("s", "d/f"), graphtest.File("d/empty", ""))
	root := t.TempDir()
	d, err := host.Open(ctx, host.Config{
		Name: "xor", Home: filepath.Join(root, "xor"), State: filepath.Join(root, "bulkhead", "xor"),
		Isolation: host.Thread, Unprivileged: unprivileged(),
	}, host.Wasm(runtime(t), "xor", build(t, "testdata/xor"), engine.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(ctx)
	store, err := layer.Open(ctx, layer.Options{Root: root, DriverName: "xor", Driver: host.Complete(d)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	l, err := store.Register(ctx, bytes.NewReader(archive), "", layer.RegisterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(ctx, l); err != nil || !bytes.Equal(got, archive) {
		t.Fatalf("%d bytes of %d come out: %v", len(got), len(archive), err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "xor", l.CacheID(), "d/f")); err != nil || string(b) == "content" {
		t.Errorf("stored as %q, %v", b, err)
	}
	r, err := l.TarStreamFrom(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	found := map[string]string{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = string(b)
	}
	if found["d/f"] != "content" || found["big"] != big || found["after"] != "x" || len(found) != 6 {
		t.Errorf("the diff holds %d entries, d/f %q, after %q", len(found), found["d/f"], found["after"])
	}
}
