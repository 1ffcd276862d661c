package v1_test

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
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

var ctx = context.Background()

var errDriver = errors.New("the driver does not want to")

// driver is the plain one with what it lacks, and with failures.
type driver struct {
	plaindriver.Driver
	failCreate, failRemove, failSize bool
	sized, applied                   int
}

func (d *driver) Create(ctx context.Context, id, parent string, opts graphdriver.CreateOptions) error {
	err := d.Driver.Create(ctx, id, parent, opts)
	if err == nil && d.failCreate {
		return errDriver
	}
	return err
}

func (d *driver) Remove(ctx context.Context, id string) error {
	if d.failRemove {
		return errDriver
	}
	return d.Driver.Remove(ctx, id)
}

func (d *driver) DiffSize(context.Context, string, string) (int64, error) {
	if d.failSize {
		return 0, errDriver
	}
	d.sized++
	return 4711, nil
}

func (d *driver) ApplyDiff(ctx context.Context, id, parent string, diff io.Reader) (int64, error) {
	d.applied++
	return d.Driver.ApplyDiff(ctx, id, parent, diff)
}

func (d *driver) Diff(_ context.Context, id, parent string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("diff of " + id + " to " + parent)), nil
}

func (d *driver) LayersBeside(_ context.Context, known func(string) bool) (ids []string, err error) {
	entries, err := os.ReadDir(d.Home)
	for _, e := range entries {
		if !known(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// fixture is a root with its graph open.
type fixture struct {
	testing.TB
	root   string
	driver *driver
	graph  *v1.Graph
	opts   v1.Options
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, root: t.TempDir()}
	f.driver = &driver{Driver: plaindriver.Driver{Home: filepath.Join(f.root, plaindriver.Name)}}
	f.must(os.Mkdir(f.driver.Home, 0o700))
	f.opts = v1.Options{
		Root: f.root, DriverName: plaindriver.Name, Driver: f.driver, Version: "1.9.1",
		Now: func() time.Time { return time.Unix(1440000000, 5).UTC() },
	}
	f.reopen()
	return f
}

func (f *fixture) reopen() {
	f.Helper()
	var err error
	f.graph, err = v1.Open(ctx, f.opts)
	f.must(err)
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) want(err, target error) {
	f.Helper()
	if !errors.Is(err, target) {
		f.Errorf("error is %v, not %v", err, target)
	}
}

func (f *fixture) path(id string, name ...string) string {
	return filepath.Join(append([]string{f.root, "graph", id}, name...)...)
}

func (f *fixture) read(id, name string) string {
	f.Helper()
	data, err := os.ReadFile(f.path(id, name))
	f.must(err)
	return string(data)
}

func (f *fixture) write(id, name, text string) {
	f.Helper()
	f.must(os.WriteFile(f.path(id, name), []byte(text), 0o600))
}

// register stores an image with one file.
func (f *fixture) register(id, parent string) {
	f.Helper()
	img := &v1.Image{ID: id, Parent: parent, Created: f.opts.Now(), DockerVersion: "1.9.1"}
	f.must(f.graph.Register(ctx, v1.Describe(img), bytes.NewReader(archive("file", "content of "+id))))
}

// place puts an image on disk as dockerd would have.
func (f *fixture) place(id, text string) {
	f.Helper()
	f.must(os.Mkdir(f.path(id), 0o700))
	f.must(f.driver.Driver.Create(ctx, id, "", graphdriver.CreateOptions{}))
	f.write(id, "json", text)
}

func (f *fixture) hasLayer(id string) bool {
	f.Helper()
	known, err := f.driver.Exists(ctx, id)
	f.must(err)
	return known
}

// clean fails if anything is left of what was made or removed.
func (f *fixture) clean() {
	f.Helper()
	for _, dir := range []string{f.path("_tmp"), filepath.Join(f.root, "bulkhead", plaindriver.Name, "v1", "intents")} {
		entries, err := os.ReadDir(dir)
		f.must(err)
		if len(entries) > 0 {
			f.Errorf("%s still holds %v", dir, entries)
		}
	}
}

// archive is an archive of one directory and one file.
func archive(name, content string) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "dir/", Mode: 0o755, ModTime: time.Unix(1, 0)})
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "dir/" + name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1, 0)})
	io.WriteString(w, content)
	w.Close()
	return buf.Bytes()
}

// id is an ID that begins so.
func id(prefix string) string { return prefix + strings.Repeat("0", 64-len(prefix)) }
