package v1_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

func TestRegisterWritesWhatDockerReads(t *testing.T) {
	f := newFixture(t)
	a, b := id("a"), id("b")
	f.register(a, "")
	f.register(b, a)
	if got := f.read(a, "layersize"); got != strconv.Itoa(len("content of "+a)) {
		t.Errorf("layersize is %q", got)
	}
	img, err := v1.ParseImage([]byte(f.read(b, "json")))
	if err != nil || img.ID != b || img.Parent != a {
		t.Errorf("%+v (%v)", img, err)
	}
	entries, err := os.ReadDir(f.path(b))
	if err != nil || len(entries) != 3 {
		t.Errorf("%v (%v)", entries, err)
	}
	for _, e := range entries {
		if fi, err := e.Info(); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%s has mode %v (%v)", e.Name(), fi.Mode(), err)
		}
	}
	zip, err := gzip.NewReader(bytes.NewReader([]byte(f.read(b, "tar-data.json.gz"))))
	f.must(err)
	up, files := storage.NewJSONUnpacker(zip), 0
	for {
		e, err := up.Next()
		if err == io.EOF {
			break
		}
		f.must(err)
		if e.Type == storage.FileType && e.GetName() == "dir/file" {
			files++
		}
	}
	if files != 1 {
		t.Errorf("tar-split data tells %d times of the file", files)
	}
	f.clean()
}

func TestRegisterWithoutALayerHasSizeZeroAndNoTarData(t *testing.T) {
	f := newFixture(t)
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), nil))
	img, err := f.graph.Get(ctx, id("a"))
	if err != nil || img.Size != 0 || f.read(id("a"), "layersize") != "0" || f.driver.sized != 0 {
		t.Errorf("%+v (%v)", img, err)
	}
	if _, err := os.Lstat(f.path(id("a"), "tar-data.json.gz")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestRegisterOfAnImageThatIsThereDoesNothing(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	before := f.read(id("a"), "json")
	unread := iotest.ErrReader(errors.New("it was read"))
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a"), Comment: "other"}), unread))
	if f.read(id("a"), "json") != before {
		t.Error("it was replaced")
	}
}

func TestRegisterRefusesWhatIsNoID(t *testing.T) {
	f := newFixture(t)
	for _, bad := range []string{"", "a", id("g"), id("A"), id("a") + "0", "../" + id("a")[3:], id("a")[:63] + "\n"} {
		f.want(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: bad}), nil), v1.ErrInvalidID)
		f.want(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("c"), Parent: bad + "/"}), nil), v1.ErrInvalidID)
	}
	var wrong *v1.WrongIDError
	if err := f.graph.Register(ctx, other{id("a"), `{"id":"` + id("b") + `"}`, nil}, nil); !errors.As(err, &wrong) || wrong.ID != id("b") {
		t.Error(err)
	}
	f.clean()
}

// other is a descriptor that says what it is told to.
type other struct {
	id, config string
	err        error
}

func (o other) ID() string                     { return o.id }
func (o other) Parent() string                 { return "" }
func (o other) MarshalConfig() ([]byte, error) { return []byte(o.config), o.err }

func TestTheParentIsNotedBesideAConfigThatNamesAnother(t *testing.T) {
	f := newFixture(t)
	a, b, c := id("a"), id("b"), id("c")
	f.register(a, "")
	strong := digest.NewDigestFromEncoded(digest.SHA256, c)
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: b, Parent: a, ParentID: strong}), nil))
	if got := f.read(b, "parent"); got != a {
		t.Errorf("parent is %q", got)
	}
	f.write(b, "json", `{"parent_id":"`+strong.String()+`"}`)
	if img, err := f.graph.Get(ctx, b); err != nil || img.Parent != a || img.ID != b {
		t.Errorf("%+v (%v)", img, err)
	}
	f.must(os.Remove(f.path(b, "parent")))
	if img, err := f.graph.Get(ctx, b); err != nil || img.Parent != c {
		t.Errorf("%+v (%v)", img, err)
	}
	f.must(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("d"), Parent: c, ParentID: strong}), nil))
	if _, err := os.Lstat(f.path(id("d"), "parent")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the parent is noted twice")
	}
}

func TestAFailedRegisterLeavesNeitherImageNorLayer(t *testing.T) {
	cut := archive("file", "content")[:1100]
	canceled, cancel := context.WithCancel(ctx)
	for name, c := range map[string]struct {
		data io.Reader
		desc v1.Descriptor
		fail func(*fixture)
		ctx  context.Context
		want error
	}{
		"a cut archive":       {data: bytes.NewReader(cut), want: layertar.ErrRefused},
		"a reader that fails": {data: io.MultiReader(bytes.NewReader(cut), iotest.ErrReader(io.ErrNoProgress)), want: io.ErrNoProgress},
		"a canceled context":  {data: io.MultiReader(bytes.NewReader(cut), readerFunc(func() { cancel() }), bytes.NewReader(cut)), ctx: canceled, want: context.Canceled},
		"no config":           {desc: other{id("a"), "", errDriver}, want: errDriver},
		"a config of null":    {desc: other{id("a"), "nul", nil}, want: image.ErrInvalidConfig},
		"a driver that fails": {fail: func(f *fixture) { f.driver.failCreate = true }, want: errDriver},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if c.fail != nil {
				c.fail(f)
			}
			if c.desc == nil {
				c.desc = v1.Describe(&v1.Image{ID: id("a")})
			}
			if c.ctx == nil {
				c.ctx = ctx
			}
			f.want(f.graph.Register(c.ctx, c.desc, c.data), c.want)
			if f.hasLayer(id("a")) || f.graph.Exists(ctx, id("a")) {
				t.Error("something was left")
			}
			if _, err := os.Lstat(f.path(id("a"))); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			f.clean()
			f.driver.failCreate = false
			f.register(id("a"), "") // nothing is in the way
		})
	}
}

type readerFunc func()

func (r readerFunc) Read([]byte) (int, error) { r(); return 0, io.EOF }

func TestADirectoryOfAnotherDriverGivesWay(t *testing.T) {
	f := newFixture(t)
	f.must(os.Mkdir(f.path(id("a")), 0o700))
	f.write(id("a"), "json", `{"comment":"of another driver"}`)
	if f.graph.Exists(ctx, id("a")) {
		t.Fatal("it is not of this driver")
	}
	bad := bytes.NewReader([]byte("no archive, but long enough to be looked at"))
	if err := f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), bad); err == nil {
		t.Fatal("it was stored")
	}
	if got := f.read(id("a"), "json"); got != `{"comment":"of another driver"}` {
		t.Errorf("it did not come back: %s", got)
	}
	f.register(id("a"), "")
	if img, err := f.graph.Get(ctx, id("a")); err != nil || img.Comment != "" {
		t.Errorf("%+v (%v)", img, err)
	}
	f.clean()
}

func TestALayerThatTheGraphDoesNotKnowIsRemovedInARootOfOurs(t *testing.T) {
	f := newFixture(t)
	f.must(f.driver.Driver.Create(ctx, id("a"), "", graphdriver.CreateOptions{}))
	f.must(os.WriteFile(filepath.Join(f.driver.Home, id("a"), "stale"), nil, 0o600))
	f.register(id("a"), "")
	if _, err := os.Lstat(filepath.Join(f.driver.Home, id("a"), "stale")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it was built upon")
	}
}

func TestALayerThatTheGraphDoesNotKnowIsRefusedByNameElsewhere(t *testing.T) {
	for name, prepare := range map[string]func(f *fixture){
		"a graph that was there": func(f *fixture) {
			f.must(os.RemoveAll(filepath.Join(f.root, "bulkhead")))
			f.reopen()
		},
		"a driver that had layers": func(f *fixture) {
			f.must(os.RemoveAll(filepath.Join(f.root, "bulkhead")))
			f.must(os.RemoveAll(filepath.Join(f.root, "graph")))
			f.must(f.driver.Driver.Create(ctx, id("c"), "", graphdriver.CreateOptions{}))
			f.reopen()
		},
		"layers of another store since": func(f *fixture) {
			f.must(os.MkdirAll(filepath.Join(f.root, "image", "plain", "layerdb"), 0o700))
		},
		"a mark of somebody else's": func(f *fixture) {
			f.must(os.WriteFile(filepath.Join(f.root, "bulkhead/plain/v1/ours"), []byte("?"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			prepare(f)
			f.must(f.driver.Driver.Create(ctx, id("a"), "", graphdriver.CreateOptions{}))
			var foreign *v1.ForeignLayerError
			err := f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), nil)
			if !errors.As(err, &foreign) || foreign.ID != id("a") {
				t.Errorf("%v", err)
			}
			f.want(err, v1.ErrForeign)
			if !f.hasLayer(id("a")) {
				t.Error("it was removed")
			}
			f.register(id("b"), "") // all else goes on
			f.reopen()
			if !f.hasLayer(id("a")) {
				t.Error("it was removed by opening")
			}
		})
	}
}

func TestRegistersOfOneImageAtOnceUnpackItOnce(t *testing.T) {
	f := newFixture(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			data := bytes.NewReader(archive("file", "content"))
			if err := f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), data); err != nil {
				t.Error(err)
			}
			if _, err := f.graph.Get(ctx, id("a")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if f.driver.applied != 1 {
		t.Errorf("unpacked %d times", f.driver.applied)
	}
}

func TestCreateMakesAnImageOfAContainer(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	img, err := f.graph.Create(ctx, bytes.NewReader(archive("f", "x")), v1.CreateOptions{
		ContainerID: "c0ffee", Parent: id("a"), ContainerConfig: &v1.ContainerConfig{Hostname: "h"},
		Comment: "why", Author: "who", Config: &v1.ContainerConfig{User: "u"},
	})
	f.must(err)
	got, err := f.graph.Get(ctx, img.ID)
	f.must(err)
	if got.Parent != id("a") || got.Container != "c0ffee" || got.ContainerConfig.Hostname != "h" || got.Comment != "why" ||
		got.Author != "who" || got.Config.User != "u" || got.DockerVersion != "1.9.1" || !got.Created.Equal(f.opts.Now()) ||
		got.OS == "" || got.Architecture == "" {
		t.Errorf("%+v", got)
	}
	alone, err := f.graph.Create(ctx, nil, v1.CreateOptions{Parent: id("a"), ContainerConfig: &v1.ContainerConfig{Hostname: "h"}})
	if err != nil || alone.Parent != "" || alone.ContainerConfig.Hostname != "" {
		t.Errorf("without a container: %+v (%v)", alone, err)
	}
}

func TestACrashLeavesAnImageWholeOrNotAtAll(t *testing.T) {
	for _, at := range []string{"intended", "created", "applied", "written", "renamed", "trashed"} {
		t.Run(at, func(t *testing.T) {
			f := newFixture(t)
			a := id("a")
			if at == "trashed" {
				f.register(a, "")
			}
			reached := false
			f.opts.Step = func(step string) {
				if step == at {
					reached = true
					panic("the process ends here")
				}
			}
			f.reopen()
			func() {
				defer func() { recover() }()
				if at == "trashed" {
					f.graph.Delete(ctx, a)
				} else {
					f.register(a, "")
				}
			}()
			if !reached {
				t.Fatal("it never came so far")
			}
			f.opts.Step = nil
			f.reopen()
			whole := at == "renamed"
			if f.graph.Exists(ctx, a) != whole || f.hasLayer(a) != whole {
				t.Errorf("image: %v, layer: %v", f.graph.Exists(ctx, a), f.hasLayer(a))
			}
			f.clean()
			f.register(a, "")
		})
	}
}

// lazy is a driver that reads no more than it likes, or lies about the size.
type lazy struct {
	graphdriver.Driver
	read int64
	size int64
}

func (l lazy) ApplyDiff(_ context.Context, _, _ string, diff io.Reader) (int64, error) {
	_, err := io.CopyN(io.Discard, diff, l.read)
	return l.size, err
}

func TestADriverThatLosesEntriesOrLiesIsNotBelieved(t *testing.T) {
	for name, l := range map[string]lazy{"it stops early": {read: 512}, "a size below zero": {read: 2048, size: -1}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			l.Driver = f.driver
			f.opts.Driver = l
			f.reopen()
			f.want(f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), bytes.NewReader(archive("file", "x"))), graphdriver.ErrInvalid)
			if f.hasLayer(id("a")) {
				t.Error("the layer was left")
			}
			f.clean()
		})
	}
}

func TestNothingIsWrittenThroughALink(t *testing.T) {
	f := newFixture(t)
	outside := t.TempDir()
	f.must(os.RemoveAll(f.path("_tmp")))
	f.must(os.Symlink(outside, f.path("_tmp")))
	if err := f.graph.Register(ctx, v1.Describe(&v1.Image{ID: id("a")}), nil); err == nil || f.hasLayer(id("a")) {
		t.Errorf("%v", err)
	}
	if _, err := v1.Open(ctx, f.opts); err == nil {
		t.Error("it was opened")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("%v (%v)", entries, err)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	f := newFixture(t)
	for name, spoil := range map[string]func(*v1.Options){
		"no root": func(o *v1.Options) { o.Root = "" }, "no driver": func(o *v1.Options) { o.Driver = nil },
		"no name": func(o *v1.Options) { o.DriverName = "" }, "a name that climbs": func(o *v1.Options) { o.DriverName = "../x" },
	} {
		opts := f.opts
		spoil(&opts)
		if _, err := v1.Open(ctx, opts); err == nil {
			t.Errorf("%s: it was opened", name)
		}
	}
}
