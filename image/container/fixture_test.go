package container_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/container"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/layer"
)

var ctx = context.Background()

// driver tells as a difference all that a layer's directory holds.
type driver struct {
	plaindriver.Driver
	mounts     []graphdriver.Mount
	failCreate error
	failDiff   error
}

func (d *driver) CreateReadWrite(ctx context.Context, id, parent string, opts graphdriver.CreateOptions) error {
	if d.failCreate != nil {
		return d.failCreate
	}
	return d.Driver.CreateReadWrite(ctx, id, parent, opts)
}

func (d *driver) Diff(_ context.Context, id, _ string) (io.ReadCloser, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	entries, err := os.ReadDir(filepath.Join(d.Home, id))
	for _, e := range entries {
		text, rerr := os.ReadFile(filepath.Join(d.Home, id, e.Name()))
		herr := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.Name(), Mode: 0o644, Size: int64(len(text))})
		_, werr := w.Write(text)
		err = errors.Join(err, rerr, herr, werr)
	}
	err = errors.Join(err, w.Close())
	if d.failDiff != nil {
		return io.NopCloser(io.MultiReader(&b, failing{d.failDiff})), err
	}
	return io.NopCloser(&b), err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (d *driver) MountAt(context.Context, string, string, string) (graphdriver.Mount, error) {
	return graphdriver.Mount{}, graphdriver.ErrNotSupported
}
func (d *driver) UnmountAt(context.Context, string, bool) error       { return graphdriver.ErrNotSupported }
func (d *driver) Mounts(context.Context) ([]graphdriver.Mount, error) { return d.mounts, nil }

// fixture is a root with its stores open.
type fixture struct {
	testing.TB
	container.Stores
	root   string
	driver *driver
	step   func(name string) // what the layer store does, if not nil
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
	home := filepath.Join(f.root, plaindriver.Name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		f.Fatal(err)
	}
	f.driver = &driver{Driver: plaindriver.Driver{Home: home}}
	var err error
	step := func(name string) {
		if f.step != nil {
			f.step(name)
		}
	}
	if f.Layers, err = layer.Open(ctx, layer.Options{Root: f.root, DriverName: plaindriver.Name, Driver: f.driver, Step: step}); err != nil {
		f.Fatal(err)
	}
	f.Images, err = image.Open(ctx, image.Options{Root: f.root, DriverName: plaindriver.Name, Layers: f.Layers})
	if err != nil {
		f.Fatal(err)
	}
}

// image stores an image with one layer, and more in its configuration.
func (f *fixture) image(text, more string) *image.Image {
	f.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "f", Mode: 0o644, Size: int64(len(text))})
	_, werr := io.WriteString(w, text)
	if err := errors.Join(err, werr, w.Close()); err != nil {
		f.Fatal(err)
	}
	l, err := f.Layers.Register(ctx, &b, "", layer.RegisterOptions{})
	if err != nil {
		f.Fatal(err)
	}
	id, err := f.Images.Create(ctx, []byte(`{"rootfs":{"type":"layers","diff_ids":["`+l.DiffID().String()+`"]}`+more+`}`))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := f.Layers.Release(ctx, l); err != nil {
		f.Fatal(err)
	}
	img, err := f.Images.Get(id)
	if err != nil {
		f.Fatal(err)
	}
	return img
}

// create makes a layer and writes files to it.
func (f *fixture) create(name string, opts container.CreateOptions, files ...string) layer.RWLayer {
	f.Helper()
	l, err := container.Create(ctx, f.Stores, name, opts)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(f.driver.Home, l.MountID(), file), []byte(file), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	return l
}

func (f *fixture) commit(name string, opts container.CommitOptions) *image.Image {
	f.Helper()
	opts.Now = func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)) }
	id, err := container.Commit(ctx, f.Stores, name, opts)
	if err != nil {
		f.Fatal(err)
	}
	img, err := f.Images.Get(id)
	if err != nil {
		f.Fatal(err)
	}
	if err := f.Images.Verify(ctx, id, map[string]error{}); err != nil {
		f.Error(err)
	}
	return img
}

// object is a configuration, decoded.
func object(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that is %q", err, want)
	}
}

func diffs(img *image.Image) []digest.Digest { return img.RootFS.DiffIDs }
