package migrate_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/image/migrate"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

// differ is the plain driver, which tells differences as well: one file that
// names the layer.
type differ struct{ plaindriver.Driver }

func (d differ) Diff(_ context.Context, id, _ string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(archiveOf("told", id))), nil
}

// fixture is a graph to be migrated, and where to.
type fixture struct {
	testing.TB
	old, root string
	driver    differ
	graph     *v1.Graph // open to write
	stores    archive.Stores
	opts      migrate.Options
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, old: t.TempDir()}
	f.driver = differ{plaindriver.Driver{Home: filepath.Join(f.old, plaindriver.Name)}}
	f.must(os.Mkdir(f.driver.Home, 0o700))
	f.graph = f.open(false)
	f.target()
	return f
}

// target opens new, empty stores.
func (f *fixture) target() {
	f.Helper()
	f.root = f.TempDir()
	var err error
	f.stores.Layers, err = plaindriver.OpenLayers(f.Context(), f.root, nil)
	f.must(err)
	f.stores.Images, err = image.Open(f.Context(), image.Options{Root: f.root, DriverName: plaindriver.Name, Layers: f.stores.Layers})
	f.must(err)
}

func (f *fixture) open(readOnly bool) *v1.Graph {
	f.Helper()
	g, err := v1.Open(f.Context(), v1.Options{Root: f.old, DriverName: plaindriver.Name, Driver: f.driver, ReadOnly: readOnly})
	f.must(err)
	return g
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// register stores an image in the graph, whose layer is this archive.
func (f *fixture) register(id, parent string, layer []byte) {
	f.Helper()
	img := &v1.Image{ID: id, Parent: parent, Created: time.Unix(1440000000, 0).UTC(), DockerVersion: "1.9.1", OS: "linux", Architecture: "amd64", Comment: id[:1]}
	f.must(f.graph.Register(f.Context(), v1.Describe(img), bytes.NewReader(layer)))
}

// place puts an image with an empty layer on disk, as dockerd would have.
func (f *fixture) place(id string, json []byte, parent string) {
	f.Helper()
	f.register(id, "", make([]byte, 1024))
	f.write(filepath.Join("graph", id, "json"), string(json))
	if parent != "" {
		f.write(filepath.Join("graph", id, "parent"), parent)
	}
}

func (f *fixture) write(path, text string) {
	f.Helper()
	path = filepath.Join(f.old, path)
	f.must(os.MkdirAll(filepath.Dir(path), 0o700))
	f.must(os.WriteFile(path, []byte(text), 0o600))
}

func (f *fixture) remove(path string) {
	f.Helper()
	f.must(os.Remove(filepath.Join(f.old, path)))
}

func (f *fixture) run() (migrate.Result, error) {
	f.Helper()
	return migrate.Run(f.Context(), migrate.Source{Graph: f.open(true), Root: f.old},
		migrate.Target{Stores: f.stores, Root: f.root, Driver: plaindriver.Name}, f.opts)
}

func (f *fixture) done() migrate.Result {
	f.Helper()
	done, err := f.run()
	f.must(err)
	return done
}

// left fails unless just these stay, each for a reason that holds a text.
func (f *fixture) left(done migrate.Result, want map[string]string) {
	f.Helper()
	for _, l := range done.Left {
		name := l.Kind + " " + l.Name
		if text, ok := want[name]; !ok || !strings.Contains(l.Why.Error(), text) || strings.Contains(l.Error(), "\n") {
			f.Errorf("left: %v, not for %q", l, text)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		f.Errorf("not left: %q", want)
	}
}

// became is what an image of the graph became.
func became(done migrate.Result, id string) image.ID {
	for _, m := range append(done.Stored, done.Already...) {
		if m.From == id {
			return m.ID
		}
	}
	return ""
}

// archiveOf is an archive of one file.
func archiveOf(name, content string) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1, 0)})
	io.WriteString(w, content)
	w.Close()
	return buf.Bytes()
}

// top reads the archive of an image's own layer.
func (f *fixture) top(id image.ID) []byte {
	f.Helper()
	img, err := f.stores.Images.Get(id)
	f.must(err)
	l, err := f.stores.Layers.Get(img.Config.ChainID())
	f.must(err)
	r, err := l.TarStream(f.Context())
	f.must(err)
	data, err := io.ReadAll(r)
	f.must(errors.Join(err, r.Close()))
	_, err = f.stores.Layers.Release(f.Context(), l)
	f.must(err)
	return data
}

// tree describes all that is in the old root.
func (f *fixture) tree() string {
	f.Helper()
	var b strings.Builder
	f.must(filepath.WalkDir(f.old, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		b.WriteString(path + " " + fi.Mode().String() + " " + fi.ModTime().String())
		if fi.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b.WriteString(digest.FromBytes(data).String())
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// id is an ID that begins so.
func id(prefix string) string { return prefix + strings.Repeat("0", 64-len(prefix)) }
