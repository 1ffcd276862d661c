package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// initWith fills an init layer with a file of that content.
func initWith(text string) func(context.Context, string) error {
	return func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "init"), []byte(text), 0o600)
	}
}

// addRW makes a read-write layer with an init layer.
func (b *bench) addRW(text, name string, parent ChainID) RWLayer {
	b.t.Helper()
	l, err := b.CreateRWLayer(b.t.Context(), name, parent, CreateRWOptions{Init: initWith(text)})
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// rwWhole checks that every read-write layer is there with its init layer.
func (b *bench) rwWhole() {
	b.t.Helper()
	for _, l := range b.RWLayers() {
		for _, id := range []string{l.MountID(), l.InitID()} {
			if _, err := os.Stat(filepath.Join(b.driver.tree(id), "init")); err != nil {
				b.t.Errorf("read-write layer %s: %v", l.Name(), err)
			}
		}
	}
}

func TestRWLayerIsWrittenAsMobyDoesAndFoundAgain(t *testing.T) {
	for _, withInit := range []bool{true, false} {
		root := t.TempDir()
		b := open(t, root, nil)
		base := b.add(archive(t, file{name: "base", content: "1"}), "")
		var opts CreateRWOptions
		if withInit {
			opts.Init = initWith("x")
		}
		l, err := b.CreateRWLayer(t.Context(), "box", base.ChainID(), opts)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{fileMountID: l.MountID(), fileParent: string(base.ChainID())}
		if withInit {
			want[fileInitID] = l.MountID() + "-init"
		}
		if got := names(b.at.mount("box")); len(got) != len(want) {
			t.Errorf("files %q", got)
		}
		for name, text := range want {
			if got, err := os.ReadFile(filepath.Join(b.at.mount("box"), name)); err != nil || string(got) != text {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if len(l.MountID()) != 64 || l.InitID() != want[fileInitID] || l.Name() != "box" || l.Parent().ChainID() != base.ChainID() {
			t.Errorf("%+v", l)
		}
		for n, gets := range b.driver.gets {
			if gets != 0 {
				t.Errorf("layer %s: %d Gets without a Put", n, gets)
			}
		}
		b.nothingOrphaned()

		again := open(t, root, nil)
		found, err := again.GetRWLayer("box")
		if err != nil || found.MountID() != l.MountID() || found.InitID() != l.InitID() || found.Parent().ChainID() != base.ChainID() {
			t.Error(found, err)
		}
		if id, err := again.GetMountID("box"); err != nil || id != l.MountID() {
			t.Error(id, err)
		}
		if _, err := again.GetRWLayer("fox"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		again.nothingOrphaned()
	}
}

func TestRWLayerTellsChangesAgainstItsInitLayer(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	base := b.add(archive(t, file{name: "base", content: "1"}, file{name: "gone", content: "2"}), "")
	bare, err := b.CreateRWLayer(t.Context(), "bare", base.ChainID(), CreateRWOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scratch, err := b.CreateRWLayer(t.Context(), "scratch", "", CreateRWOptions{})
	if err != nil || scratch.Parent() != nil {
		t.Fatal(err)
	}
	for l, want := range map[RWLayer][3]string{
		b.addRW("init", "box", base.ChainID()): {"[C /base D /gone A /new]", "base new .wh.gone", "6"},
		bare:                                   {"[C /base D /gone A /new]", "base new .wh.gone", "6"},
		scratch:                                {"[A /base A /new]", "base new", "6"},
	} {
		dir, err := l.Mount(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(os.WriteFile(filepath.Join(dir, "base"), []byte("22"), 0o600), os.WriteFile(filepath.Join(dir, "new"), []byte("4444"), 0o600), os.RemoveAll(filepath.Join(dir, "gone")))
		if err != nil {
			t.Fatal(err)
		}
		changes, err := l.Changes(t.Context())
		if got := fmt.Sprint(changes); err != nil || got != want[0] {
			t.Errorf("%s: %v, %v", l.Name(), got, err)
		}
		rc, err := l.TarStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := tarNames(t, rc); got != want[1] {
			t.Errorf("%s: archive of %s", l.Name(), got)
		}
		if size, err := l.Size(t.Context()); err != nil || fmt.Sprint(size) != want[2] {
			t.Errorf("%s: %d bytes, %v", l.Name(), size, err)
		}
		if m, err := l.Metadata(t.Context()); err != nil || m["id"] != l.MountID() {
			t.Error(m, err)
		}
	}
}

func TestRWLayerKeepsItsParentAndTakesItAlongInTheEnd(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	lower := b.add(archive(t, file{name: "1"}), "")
	upper := b.add(archive(t, file{name: "2"}), lower.ChainID())
	box := b.addRW("x", "box", upper.ChainID())
	second, err := b.GetRWLayer("box")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := b.Release(t.Context(), upper); err != nil || len(r) != 0 {
		t.Fatal(r, err)
	}
	if r, err := b.ReleaseRWLayer(t.Context(), box); err != nil || len(r) != 0 {
		t.Fatal(r, err)
	}
	b.nothingOrphaned()
	if r, err := b.ReleaseRWLayer(t.Context(), second); err != nil || len(r) != 1 || r[0].ChainID != upper.ChainID() {
		t.Fatal(r, err)
	}
	if len(b.RWLayers()) != 0 || b.Map()[lower.ChainID()] == nil {
		t.Error("too little was removed, or too much")
	}
	b.nothingOrphaned()
	_, err1 := second.Changes(t.Context())
	_, err2 := second.Mount(t.Context(), "")
	for _, err := range []error{err1, err2, second.Unmount(t.Context())} {
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	other := open(t, t.TempDir(), nil)
	for _, l := range []RWLayer{second, other.addRW("x", "x", ""), nil} {
		if _, err := b.ReleaseRWLayer(t.Context(), l); !errors.Is(err, ErrNotRetained) {
			t.Error(err)
		}
	}
	if _, err := other.ReleaseRWLayer(t.Context(), other.RWLayers()[0]); !errors.Is(err, ErrNotRetained) {
		t.Error(err)
	}
}

// busyDriver will not remove some layers, and knows where one is mounted.
type busyDriver struct {
	entryDriver
	busy map[string]bool
	at   *[]graphdriver.Mount
}

func (d busyDriver) Mounts(context.Context) ([]graphdriver.Mount, error) { return *d.at, nil }

func (d busyDriver) MountAt(context.Context, string, string, string) (graphdriver.Mount, error) {
	return graphdriver.Mount{}, graphdriver.ErrNotSupported
}

func (d busyDriver) UnmountAt(context.Context, string, bool) error {
	return graphdriver.ErrNotSupported
}

func (d busyDriver) Remove(ctx context.Context, id string) error {
	if d.busy[id] {
		return graphdriver.ErrBusy
	}
	return d.entryDriver.Remove(ctx, id)
}

func TestMountedRWLayerIsNotReleased(t *testing.T) {
	busy, mounts := map[string]bool{}, []graphdriver.Mount{}
	b := open(t, t.TempDir(), through(func(d *copyDriver) graphdriver.Driver { return busyDriver{entryDriver{d}, busy, &mounts} }))
	base := b.add(archive(t, file{name: "1"}), "")
	box := b.addRW("x", "box", base.ChainID())
	for range 2 {
		if dir, err := box.Mount(t.Context(), ""); err != nil || !filepath.IsAbs(dir) {
			t.Fatal(dir, err)
		}
	}
	for range 2 {
		if _, err := b.ReleaseRWLayer(t.Context(), box); !errors.Is(err, ErrMounted) || !strings.Contains(err.Error(), "unmount it first") {
			t.Error(err)
		}
		if err := box.Unmount(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := box.Unmount(t.Context()); err != nil {
		t.Error(err)
	}
	// Mounted by another process, as only the driver knows.
	mounts = []graphdriver.Mount{{ID: base.CacheID()}, {ID: box.MountID(), Target: "/mnt"}}
	if _, err := b.ReleaseRWLayer(t.Context(), box); !errors.Is(err, ErrMounted) || !strings.Contains(err.Error(), "/mnt") {
		t.Error(err)
	}
	mounts = nil
	busy[box.MountID()] = true
	if _, err := b.ReleaseRWLayer(t.Context(), box); !errors.Is(err, ErrMounted) {
		t.Error(err)
	}
	b.nothingOrphaned()
	b.rwWhole()
	if len(b.RWLayers()) != 1 {
		t.Fatal("it is gone")
	}
	clear(busy)
	if _, err := b.ReleaseRWLayer(t.Context(), box); err != nil {
		t.Error(err)
	}
	b.nothingOrphaned()
}

func TestRWLayersOfBadNamesParentsOrTimesAreRefused(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	base := b.add(archive(t, file{name: "1"}), "")
	b.addRW("x", "box", base.ChainID())
	dockerMount(t, b, "damaged", nil)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	failing := errors.New("no space left")
	for _, c := range []struct {
		name   string
		parent ChainID
		ctx    context.Context
		opts   CreateRWOptions
		want   error
	}{
		{name: "box", want: ErrMountNameConflict},
		{name: "damaged", want: ErrMountNameConflict},
		{name: "", want: graphdriver.ErrInvalid},
		{name: "..", want: graphdriver.ErrInvalid},
		{name: "a/b", want: graphdriver.ErrInvalid},
		{name: "a\x00", want: graphdriver.ErrInvalid},
		{name: strings.Repeat("a", 300), want: graphdriver.ErrInvalid},
		{name: "new", parent: ChainID(diffOf(nil)), want: ErrNotFound},
		{name: "new", parent: base.ChainID(), ctx: canceled, want: context.Canceled},
		{name: "new", parent: base.ChainID(), opts: CreateRWOptions{Init: func(context.Context, string) error { return failing }}, want: failing},
	} {
		if c.ctx == nil {
			c.ctx = t.Context()
		}
		if _, err := b.CreateRWLayer(c.ctx, c.name, c.parent, c.opts); !errors.Is(err, c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", c.name, err)
		}
	}
	if err := os.Remove(b.at.mount("damaged")); err != nil {
		t.Fatal(err)
	}
	b.nothingOrphaned()
	ro := open(t, root, func(o *Options) { o.ReadOnly = true })
	if _, err := ro.CreateRWLayer(t.Context(), "new", base.ChainID(), CreateRWOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	box, err := ro.GetRWLayer("box")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ro.ReleaseRWLayer(t.Context(), box); err != nil {
		t.Error(err)
	}
	bare := open(t, root, func(o *Options) { o.Driver = nil })
	if _, err := bare.CreateRWLayer(t.Context(), "new", base.ChainID(), CreateRWOptions{}); !errors.Is(err, graphdriver.ErrNotSupported) {
		t.Error(err)
	}
	if box, err = bare.GetRWLayer("box"); err != nil {
		t.Fatal(err)
	}
	if _, err := bare.ReleaseRWLayer(t.Context(), box); !errors.Is(err, graphdriver.ErrNotSupported) {
		t.Error(err)
	}
	open(t, root, nil).nothingOrphaned()
	b.rwWhole()
}

func TestSixteenGoroutinesShareNamesOfRWLayers(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	base := b.add(archive(t, file{name: "1"}), "")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			ctx := t.Context()
			name := fmt.Sprintf("box%d", i%5)
			for range 5 {
				l, err := b.CreateRWLayer(ctx, name, base.ChainID(), CreateRWOptions{Init: initWith(name)})
				if errors.Is(err, ErrMountNameConflict) {
					if l, err = b.GetRWLayer(name); errors.Is(err, ErrNotFound) {
						continue
					}
				}
				if err == nil {
					_, err = l.Mount(ctx, "")
				}
				if err != nil {
					t.Error(err)
					return
				}
				rc, err := l.TarStream(ctx)
				if err == nil {
					_, err = io.Copy(io.Discard, rc)
				}
				b.RWLayers()
				if err := errors.Join(err, l.Unmount(ctx)); err != nil {
					t.Error(err)
				}
				if _, err := b.ReleaseRWLayer(ctx, l); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(b.RWLayers()); n != 0 {
		t.Errorf("%d read-write layers without a reference stay", n)
	}
	if _, err := b.Release(t.Context(), base); err != nil || len(b.Map()) != 0 {
		t.Error("references were lost or made", err)
	}
	b.nothingOrphaned()
}
