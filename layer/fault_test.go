package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

var errFault = errors.New("input/output error")

// faultyDriver fails on demand.
type faultyDriver struct {
	entryDriver
	ask func(op, path string) error
}

func (d faultyDriver) Create(ctx context.Context, id, parent string, o graphdriver.CreateOptions) error {
	if err := d.ask("driver create", id); err != nil {
		return err
	}
	return d.entryDriver.Create(ctx, id, parent, o)
}

func (d faultyDriver) CreateReadWrite(ctx context.Context, id, parent string, o graphdriver.CreateOptions) error {
	if err := d.ask("driver create read-write", id); err != nil {
		return err
	}
	return d.entryDriver.CreateReadWrite(ctx, id, parent, o)
}

func (d faultyDriver) Get(ctx context.Context, id, label string) (string, error) {
	if err := d.ask("driver get", id); err != nil {
		return "", err
	}
	return d.entryDriver.Get(ctx, id, label)
}

func (d faultyDriver) Put(ctx context.Context, id string) error {
	if err := d.ask("driver put", id); err != nil {
		return err
	}
	return d.entryDriver.Put(ctx, id)
}

func (d faultyDriver) Remove(ctx context.Context, id string) error {
	if err := d.ask("driver remove", id); err != nil {
		return err
	}
	return d.entryDriver.Remove(ctx, id)
}

func (d faultyDriver) ApplyEntries(ctx context.Context, id, parent string, src layertar.Source) (int64, error) {
	if err := d.ask("driver apply", id); err != nil {
		return 0, err
	}
	return d.entryDriver.ApplyEntries(ctx, id, parent, src)
}

func (d faultyDriver) SyncLayers(_ context.Context, ids ...string) error {
	return d.ask("driver sync", strings.Join(ids, ","))
}

// TestAnyFailureLeavesLayersWholeOrAbsent makes each operation on the disk
// and each call of the driver fail in turn, and all after it too if sticky.
func TestAnyFailureLeavesLayersWholeOrAbsent(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		for at := 1; ; at++ {
			if !failAt(t, at, sticky) {
				break
			}
			if at > 500 {
				t.Fatal("no end")
			}
		}
	}
}

func failAt(t *testing.T, at int, sticky bool) (failed bool) {
	root := t.TempDir()
	seeded := open(t, root, nil)
	old := seeded.add(archive(t, file{name: "old"}), "")
	seeded.addRW("old box", "old-box", old.ChainID())
	n, what := 0, ""
	ask := func(op, path string) error {
		n++
		if n == at || sticky && n > at {
			if n == at {
				what = op + " " + path
			}
			return errFault
		}
		return nil
	}
	s, err := Open(t.Context(), Options{Root: root, DriverName: "copy", Driver: faultyDriver{entryDriver{seeded.driver}, ask}, before: ask})
	if err != nil {
		t.Fatal(err) // everything is there already: it writes nothing
	}
	lower, upper := archive(t, file{name: "1", content: "1"}), archive(t, file{name: "2", content: "2"})
	work := func() error {
		ctx := t.Context()
		ses, err := s.NewSession(ctx)
		if err != nil {
			return err
		}
		l, err := ses.Register(ctx, bytes.NewReader(lower), "", RegisterOptions{})
		if err == nil {
			l, err = ses.Register(ctx, bytes.NewReader(upper), l.ChainID(), RegisterOptions{})
		}
		if err == nil {
			err = ses.Commit(ctx)
		}
		err = oneLine(err, ses.Close(ctx))
		if err == nil {
			box, berr := s.CreateRWLayer(ctx, "box", l.ChainID(), CreateRWOptions{Init: initWith("box")})
			if berr == nil {
				_, berr = s.ReleaseRWLayer(ctx, box)
			}
			_, rerr := s.Release(ctx, l)
			err = oneLine(berr, rerr)
		}
		if box, gerr := s.GetRWLayer("old-box"); gerr == nil {
			_, rerr := s.ReleaseRWLayer(ctx, box)
			err = oneLine(err, rerr)
		}
		if held, gerr := s.Get(old.ChainID()); gerr == nil {
			_, rerr := s.Release(ctx, held)
			err = oneLine(err, rerr)
		}
		return err
	}
	err = work()
	if what == "" {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	if !errors.Is(err, errFault) {
		t.Errorf("%s: %v", what, err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: more than one line: %q", what, err)
	}
	after := open(t, root, nil)
	if err := after.Settle(t.Context()); err != nil {
		t.Error(err)
	}
	after.nothingOrphaned()
	if b := after.Broken(); len(b) != 0 {
		t.Errorf("%s: %v", what, b)
	}
	after.rwWhole()
	for id := range after.Map() {
		if err := after.Verify(t.Context(), id); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if l := after.add(lower, ""); !bytes.Equal(after.read(l), lower) {
		t.Errorf("%s: other bytes came out", what)
	}
	if t.Failed() {
		t.Fatalf("at %d: %s", at, what)
	}
	return true
}

func TestFilesThatMeetThroughASymlinkAreRefused(t *testing.T) {
	meet := archive(t, file{name: "d/"}, file{name: "l", kind: tar.TypeSymlink, link: "d"}, file{name: "d/f", content: "1"}, file{name: "l/f", content: "2"})
	apart := archive(t, file{name: "d/"}, file{name: "l", kind: tar.TypeSymlink, link: "d"}, file{name: "d/f", content: "1"}, file{name: "l/g", content: "2"})
	for name, how := range drivers {
		b := open(t, t.TempDir(), through(how))
		if _, err := b.Register(t.Context(), bytes.NewReader(meet), "", RegisterOptions{}); !errors.Is(err, layertar.ErrRefused) || !strings.Contains(err.Error(), `"d/f"`) {
			t.Errorf("%s: %v", name, err)
		}
		if l := b.add(apart, ""); !bytes.Equal(b.read(l), apart) {
			t.Errorf("%s: other bytes came out", name)
		}
		b.nothingOrphaned()
	}
}

func TestManyEntriesAndALateDuplicate(t *testing.T) {
	var files []file
	for i := range 900 {
		files = append(files, file{name: fmt.Sprintf("dir%d/f%d", i%20, i), content: fmt.Sprint(i)})
	}
	tarball := archive(t, files...)
	twice := archive(t, append(slices.Clone(files), file{name: "dir0/empty"}, file{name: "dir0/empty"})...)
	early := archive(t, append([]file{{name: "e"}, {name: "e"}}, files...)...)
	b := open(t, t.TempDir(), nil)
	var last int64
	l, err := b.Register(t.Context(), bytes.NewReader(tarball), "", RegisterOptions{Progress: func(n int64) { last = n }})
	if err != nil || last != int64(len(tarball)) {
		t.Fatal(last, err)
	}
	if !bytes.Equal(b.read(l), tarball) {
		t.Error("other bytes came out")
	}
	for name, data := range map[string][]byte{`"dir0/empty"`: twice, `"e"`: early} {
		if _, err := b.Register(t.Context(), bytes.NewReader(data), "", RegisterOptions{}); !errors.Is(err, layertar.ErrRefused) || !strings.Contains(err.Error(), name) {
			t.Error(err)
		}
	}
	b.nothingOrphaned()
}

func TestSizesAndDescriptorAreStoredAsMobyDoes(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l, err := b.Register(t.Context(), bytes.NewReader(archive(t, file{name: "a", content: "xyz"})), "", RegisterOptions{Descriptor: []byte(`{"size":7}`)})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		fileSize: "3", fileDiff: string(l.DiffID()), fileCacheID: l.CacheID(), fileDescriptor: `{"size":7}`,
	} {
		if got, err := readText(b.at.chain(l.ChainID()), name); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got := names(b.at.chain(l.ChainID())); !slices.Equal(got, []string{fileCacheID, fileDescriptor, fileDiff, fileSize, fileTarSplit}) {
		t.Errorf("files %q", got)
	}
}

// The example is the OCI image specification's formula, spelt out.
func TestChainIDsAreHashesOfParentAndDiff(t *testing.T) {
	a, b, c := diffOf([]byte("a")), diffOf([]byte("b")), diffOf([]byte("c"))
	ab := ChainID(diffOf([]byte(string(a) + " " + string(b))))
	abc := ChainID(diffOf([]byte(string(ab) + " " + string(c))))
	if ChainOf(nil) != "" || ChainOf([]DiffID{a}) != ChainID(a) || ChainOf([]DiffID{a, b}) != ab || ChainOf([]DiffID{a, b, c}) != abc {
		t.Error("other chain IDs")
	}
}

func TestMetadataAndStatusAreTheDrivers(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l := b.add(archive(t), "")
	if m, err := l.Metadata(t.Context()); err != nil || m["id"] != l.CacheID() {
		t.Error(m, err)
	}
	if p, err := b.DriverStatus(t.Context()); err != nil || len(p) != 1 {
		t.Error(p, err)
	}
	if b.DriverName() != "copy" || b.Root() != b.root || b.ReadOnly() || b.Driver() == nil {
		t.Error("accessors")
	}
}

// A layer whose removal was begun and failed keeps what is beneath it until the
// next Open; that goes then, though its last other user went before.
func TestWhatLiesBeneathAFailedRemovalIsNotForgotten(t *testing.T) {
	root := t.TempDir()
	seeded := open(t, root, nil)
	base := seeded.add(archive(t, file{name: "base"}), "")
	one := seeded.add(archive(t, file{name: "one"}), base.ChainID())
	other := seeded.add(archive(t, file{name: "other"}), base.ChainID())
	failing := one.CacheID()
	ask := func(op, id string) error {
		if op == "driver remove" && id == failing {
			return errFault
		}
		return nil
	}
	s, err := Open(t.Context(), Options{Root: root, DriverName: "copy", Driver: faultyDriver{entryDriver{seeded.driver}, ask}})
	if err != nil {
		t.Fatal(err)
	}
	release := func(chain ChainID) error {
		l, err := s.Get(chain)
		if err != nil {
			return err
		}
		_, err = s.Release(t.Context(), l)
		return err
	}
	if err := release(one.ChainID()); !errors.Is(err, errFault) {
		t.Fatal(err)
	}
	if err := release(other.ChainID()); err != nil {
		t.Fatal(err)
	}
	after := open(t, root, nil)
	if err := after.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := after.Map(); len(m) != 0 {
		t.Errorf("%d layers are left", len(m))
	}
	after.nothingOrphaned()
}
