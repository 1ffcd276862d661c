package v1_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/mount"
	"github.com/bulkhead/bulkhead/image"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

// tarLayer reads the archive of an image's layer.
func (f *fixture) tarLayer(id string) (data []byte, exact bool, err error) {
	f.Helper()
	img, err := f.graph.Get(ctx, id)
	f.must(err)
	a, err := f.graph.TarLayer(ctx, img)
	f.must(err)
	data, err = io.ReadAll(a)
	f.must(a.Close())
	return data, a.Exact, err
}

func TestTarLayerIsTheArchiveThatTheLayerWasMadeOf(t *testing.T) {
	f := newFixture(t)
	want := append(archive("file", "content"), make([]byte, 3000)...) // with padding
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	zip.Write(want)
	zip.Close()
	for name, data := range map[string][]byte{id("a"): want, id("b"): packed.Bytes()} {
		f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: name}), bytes.NewReader(data)))
		got, exact, err := f.tarLayer(name)
		if err != nil || !exact || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, exact %v (%v)", len(got), exact, err)
		}
	}
}

func TestTarLayerIsTheDriversDiffWithoutTarData(t *testing.T) {
	f := newFixture(t)
	a, b := id("a"), id("b")
	f.register(a, "")
	f.register(b, a)
	want := "diff of " + b + " to " + a
	f.must(os.Remove(f.path(b, "tar-data.json.gz")))
	if got, exact, err := f.tarLayer(b); err != nil || exact || string(got) != want {
		t.Errorf("%q, exact %v (%v)", got, exact, err)
	}
	f.must(syscall.Mkfifo(f.path(b, "tar-data.json.gz"), 0o600))
	if got, exact, err := f.tarLayer(b); err != nil || exact || string(got) != want {
		t.Errorf("with a pipe: %q, exact %v (%v)", got, exact, err)
	}
}

func TestTarLayerNeverPassesDamageOn(t *testing.T) {
	for name, harm := range map[string]func(f *fixture, file, data string){
		"changed": func(f *fixture, file, _ string) { f.must(os.WriteFile(file, []byte("CONTENT"), 0o600)) },
		"shorter": func(f *fixture, file, _ string) { f.must(os.Truncate(file, 3)) },
		"longer":  func(f *fixture, file, _ string) { f.must(os.WriteFile(file, []byte("content+"), 0o600)) },
		"gone":    func(f *fixture, file, _ string) { f.must(os.Remove(file)) },
		"data cut": func(f *fixture, _, data string) {
			fi, err := os.Stat(data)
			f.must(err)
			f.must(os.Truncate(data, fi.Size()/2))
		},
		"data of no entries": func(f *fixture, _, data string) {
			var buf bytes.Buffer
			zip := gzip.NewWriter(&buf)
			io.WriteString(zip, `{"type":7}`)
			zip.Close()
			f.must(os.WriteFile(data, buf.Bytes(), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), bytes.NewReader(archive("file", "content"))))
			harm(f, filepath.Join(f.driver.Home, id("a"), "dir/file"), f.path(id("a"), "tar-data.json.gz"))
			_, _, err := f.tarLayer(id("a"))
			f.want(err, image.ErrCorrupt)
			_, err = f.graph.TempLayerArchive(ctx, id("a"), nil)
			f.want(err, image.ErrCorrupt)
			f.clean()
		})
	}
}

func TestTarLayerEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	img, err := f.graph.Get(ctx, id("a"))
	f.must(err)
	ctx, cancel := context.WithCancel(ctx)
	a, err := f.graph.TarLayer(ctx, img)
	f.must(err)
	if _, err := a.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = io.ReadAll(a)
	f.want(err, context.Canceled)
	f.must(a.Close())
	f.must(a.Close())
}

// linked is a driver that gives no files but a directory, as those do that
// mount.
type linked struct {
	graphdriver.Driver
	gets, puts int
}

func (l *linked) Get(ctx context.Context, id, label string) (string, error) {
	l.gets++
	return l.Driver.Get(ctx, id, label)
}

func (l *linked) Put(ctx context.Context, id string) error {
	l.puts++
	return l.Driver.Put(ctx, id)
}

func TestFilesAreReadWhereTheDriverMakesThemAvailable(t *testing.T) {
	f := newFixture(t)
	want := archive("file", "content")
	l := &linked{Driver: f.driver}
	f.opts.Driver = l
	f.reopen()
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), bytes.NewReader(want)))
	got, exact, err := f.tarLayer(id("a"))
	if err != nil || !exact || !bytes.Equal(got, want) || l.gets != 1 || l.puts != 1 {
		t.Errorf("%d bytes, exact %v, %d gets, %d puts (%v)", len(got), exact, l.gets, l.puts, err)
	}
	file := filepath.Join(f.driver.Home, id("a"), "dir/file")
	f.must(os.Remove(file))
	f.must(os.Symlink("/etc/hostname", file))
	if _, _, err := f.tarLayer(id("a")); err == nil {
		t.Error("a link led out of the layer")
	}
	f.must(os.Remove(file))
	f.must(syscall.Mkfifo(file, 0o600))
	_, _, err = f.tarLayer(id("a"))
	f.want(err, image.ErrCorrupt)
	if l.gets != l.puts {
		t.Errorf("%d gets, %d puts", l.gets, l.puts)
	}
}

func TestATemporaryArchiveTellsItsProgressAndIsGoneWhenItWasRead(t *testing.T) {
	f := newFixture(t)
	want := archive("file", "content")
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), bytes.NewReader(want)))
	var told []int64
	a, err := f.graph.TempLayerArchive(ctx, "a", func(n int64) { told = append(told, n) })
	f.must(err)
	if a.Size != int64(len(want)) || !a.Exact || len(told) == 0 || told[len(told)-1] != a.Size {
		t.Errorf("size %d, exact %v, told %v", a.Size, a.Exact, told)
	}
	f.clean() // it has no name
	got := make([]byte, len(want))
	if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes (%v)", len(got), err)
	}
	if n, err := a.Read(got); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	f.must(a.Close())
	_, err = f.graph.TempLayerArchive(ctx, "b", nil)
	f.want(err, image.ErrNotFound)
}

func TestTheDriversThatShipHoldAGraph(t *testing.T) {
	for _, name := range []string{"vfs", "overlay2"} {
		t.Run(name, func(t *testing.T) { holdsAGraph(t, name) })
	}
}

func holdsAGraph(t *testing.T, name string) {
	wasm, err := driverswasm.Load(name)
	if err != nil {
		t.Skip(err)
	}
	f := &fixture{TB: t, root: t.TempDir()}
	rt, err := engine.New(ctx, engine.Config{CacheDir: os.Getenv("BULKHEAD_TEST_NATIVE")})
	f.must(err)
	closing(t, func() error { return rt.Close(ctx) })
	dir := t.TempDir()
	d, err := host.Open(ctx, host.Config{
		Name: name, Home: filepath.Join(f.root, name), State: filepath.Join(f.root, "bulkhead", name), Scratch: t.TempDir(),
		Embedded: true, Unprivileged: !graphdriver.Privileged(), Grants: driverswasm.Grants(name),
		Mounts: mount.NewRecords(filepath.Join(dir, "mounts"), filepath.Join(dir, "trees")),
	}, host.Wasm(rt, name, wasm, engine.Limits{}))
	if errors.Is(err, graphdriver.ErrNotSupported) {
		t.Skip(err)
	}
	f.must(err)
	closing(t, func() error { return d.Close(ctx) })
	f.opts = v1.Options{Root: f.root, DriverName: name, Driver: host.Complete(d)}
	f.reopen()
	a, b := id("a"), id("b")
	lower, upper := archive("lower", "of a"), archive("upper", "of b")
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: a}), bytes.NewReader(lower)))
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: b, Parent: a}), bytes.NewReader(upper)))
	if err := f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("c"), Parent: a}), bytes.NewReader(upper[:1100])); err == nil {
		t.Error("a cut archive was stored")
	}
	f.reopen()
	got, exact, err := f.tarLayer(b)
	if err != nil || !exact || !bytes.Equal(got, upper) {
		t.Errorf("%d bytes, exact %v (%v)", len(got), exact, err)
	}
	f.must(os.Remove(f.path(b, "tar-data.json.gz")))
	f.must(os.Remove(f.path(b, "layersize")))
	if img, err := f.graph.Get(ctx, b); err != nil || img.Size != int64(len("of b")) {
		t.Errorf("%+v (%v)", img, err)
	}
	if got, exact, err := f.tarLayer(b); err != nil || exact || !bytes.Contains(got, []byte("of b")) || bytes.Contains(got, []byte("of a")) {
		t.Errorf("%d bytes, exact %v (%v)", len(got), exact, err)
	}
	if known, err := f.opts.Driver.Exists(ctx, id("c")); known || err != nil {
		t.Errorf("the layer of a failed Register is there: %v (%v)", known, err)
	}
	f.must(f.opts.Driver.Create(ctx, id("d"), a, graphdriver.CreateOptions{})) // which the graph does not know
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("d"), Parent: a}), bytes.NewReader(upper)))
	f.must(f.graph.Delete(ctx, b))
	if known, err := f.opts.Driver.Exists(ctx, b); known || err != nil {
		t.Errorf("the layer of a removed image is there: %v (%v)", known, err)
	}
}

func closing(t *testing.T, end func() error) {
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
