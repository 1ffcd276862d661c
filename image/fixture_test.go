package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/layer"
)

var ctx = context.Background()

// fixture is a root with its stores open.
type fixture struct {
	testing.TB
	root   string
	layers *layer.Store
	images *image.Store
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, root: t.TempDir()}
	f.reopen()
	return f
}

// reopen opens the stores as another process would.
func (f *fixture) reopen() {
	f.Helper()
	var err error
	if f.layers, err = plaindriver.OpenLayers(ctx, f.root, nil); err != nil {
		f.Fatal(err)
	}
	f.open(false)
}

func (f *fixture) open(readOnly bool) {
	f.Helper()
	var err error
	f.images, err = image.Open(ctx, image.Options{
		Root: f.root, DriverName: plaindriver.Name, Layers: f.layers, ReadOnly: readOnly, DriverMetadata: true,
		Now: func() time.Time { return time.Unix(1700000000, 5).UTC() },
	})
	if err != nil {
		f.Fatal(err)
	}
}

// layer stores one layer with one file on top of others.
func (f *fixture) layer(text string, below ...layer.DiffID) layer.DiffID {
	f.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	err := tw.WriteHeader(&tar.Header{Name: "file-" + text, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o644})
	_, werr := tw.Write([]byte(text))
	if err := errors.Join(err, werr, tw.Close()); err != nil {
		f.Fatal(err)
	}
	l, err := f.layers.Register(ctx, &buf, layer.ChainOf(below), layer.RegisterOptions{})
	if err != nil {
		f.Fatal(err)
	}
	return l.DiffID()
}

// config is a configuration of an image with these layers.
func config(t testing.TB, created string, edit func(map[string]any), diffs ...layer.DiffID) []byte {
	t.Helper()
	if diffs == nil {
		diffs = []layer.DiffID{}
	}
	doc := map[string]any{
		"architecture": "amd64", "os": "linux", "created": created,
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	}
	if edit != nil {
		edit(doc)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// image stores an image with one layer of its own, and names it.
func (f *fixture) image(text, created string, names ...string) image.ID {
	f.Helper()
	return f.imageOf(config(f, created, nil, f.layer(text)), names...)
}

func (f *fixture) imageOf(raw []byte, names ...string) image.ID {
	f.Helper()
	id, err := f.images.Create(ctx, raw)
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if _, err := f.images.Tag(ctx, id, name); err != nil {
			f.Fatal(err)
		}
	}
	return id
}

func (f *fixture) path(parts ...string) string {
	return filepath.Join(append([]string{f.root, "image", plaindriver.Name}, parts...)...)
}

func (f *fixture) read(parts ...string) string {
	f.Helper()
	data, err := os.ReadFile(f.path(parts...))
	if err != nil {
		f.Fatal(err)
	}
	return string(data)
}

func (f *fixture) write(data string, parts ...string) {
	f.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(parts...)), 0o700); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(f.path(parts...), []byte(data), 0o600); err != nil {
		f.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that is %q", err, want)
	}
}
