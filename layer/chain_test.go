package layer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestALayerKnowsItsParentAndTheSizeOfAllBeneathIt(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	base := b.add(archive(t, file{name: "1", content: "1"}), "")
	top := b.add(archive(t, file{name: "2", content: "22"}, file{name: "3", content: "333"}), base.ChainID())
	if p := base.Parent(); p != nil {
		t.Errorf("the lowest lies on %v", p)
	}
	if p := top.Parent(); p == nil || p.ChainID() != base.ChainID() || p.DiffID() != base.DiffID() {
		t.Errorf("the upper lies on %v", p)
	}
	if base.Size() != 1 || base.DiffSize() != 1 || top.Size() != 6 || top.DiffSize() != 5 {
		t.Errorf("sizes %d of %d, %d of %d", base.DiffSize(), base.Size(), top.DiffSize(), top.Size())
	}
}

func TestWhatALayerDoesNotHaveIsNotStored(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	base := b.add(archive(t, file{name: "1"}), "")
	top := b.add(archive(t, file{name: "2"}), base.ChainID())
	for _, name := range []string{fileParent, fileDescriptor} {
		if _, err := readText(b.at.chain(base.ChainID()), name); err == nil {
			t.Errorf("the lowest layer has a file %s", name)
		}
	}
	if got, err := readText(b.at.chain(top.ChainID()), fileParent); err != nil || got != string(base.ChainID()) {
		t.Errorf("parent %q (%v)", got, err)
	}
}

func TestEveryReferenceIsReleasedOnce(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	first := b.add(archive(t, file{name: "1"}), "")
	second, err := b.Get(first.ChainID())
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Fatal("two references are one")
	}
	if removed, err := b.Release(t.Context(), first); err != nil || len(removed) != 0 {
		t.Fatalf("%v (%v)", removed, err)
	}
	// What was released says nothing of the other, whoever releases it again.
	if _, err := b.Release(t.Context(), first); !errors.Is(err, ErrNotRetained) {
		t.Errorf("again: %v", err)
	}
	if got := b.read(second); len(got) == 0 {
		t.Error("the other reference is of no use")
	}
	if removed, err := b.Release(t.Context(), second); err != nil || len(removed) != 1 {
		t.Errorf("%v (%v)", removed, err)
	}
	b.nothingOrphaned()
}

func TestMapHoldsNoReferences(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l := b.add(archive(t, file{name: "1"}), "")
	listed := b.Map()[l.ChainID()]
	if listed == nil || listed.DiffID() != l.DiffID() {
		t.Fatalf("listed: %v", listed)
	}
	if _, err := b.Release(t.Context(), listed); !errors.Is(err, ErrNotRetained) {
		t.Errorf("it can be released: %v", err)
	}
	if removed, err := b.Release(t.Context(), l); err != nil || len(removed) != 1 {
		t.Errorf("it kept its layer: %v (%v)", removed, err)
	}
	if _, err := listed.TarStream(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("it outlives its layer: %v", err)
	}
}

// A driver that claims to reproduce archives is believed once it has; its
// layers need no tar-split data then. One whose claim is false keeps them.
func TestTarSplitDataIsKeptUnlessTheDriverReproducesTheArchive(t *testing.T) {
	tarball := append(archive(t, file{name: "a", content: "x"}), make([]byte, 3000)...)
	for how, kept := range map[string]bool{"exact diffs": false, "false exact diffs": true, "entries and getter": true, "raw archive, Get": true} {
		with, known := drivers[how]
		if !known {
			t.Fatalf("no driver %q", how)
		}
		b := open(t, t.TempDir(), through(with))
		l := b.add(tarball, "")
		_, err := os.Stat(filepath.Join(b.at.chain(l.ChainID()), fileTarSplit))
		if has := err == nil; has != kept {
			t.Errorf("%s: tar-split data is there: %v", how, has)
		}
		if !bytes.Equal(b.read(l), tarball) {
			t.Errorf("%s: another archive", how)
		}
	}
}

func TestAnExportThatFailsIsNeverAnEnd(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l := b.add(archive(t, file{name: "a", content: "xyz"}), "")
	if err := os.Remove(filepath.Join(b.driver.tree(l.CacheID()), "a")); err != nil {
		t.Fatal(err)
	}
	rc, err := l.TarStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, rc)
	if cerr := rc.Close(); !errors.Is(err, ErrCorrupt) || cerr != nil {
		t.Errorf("%v, closed with %v", err, cerr)
	}
}

// cleaner counts how often it is asked to clean up.
type cleaner struct {
	entryDriver
	asked *int
	err   error
}

func (c cleaner) Cleanup(context.Context) error {
	*c.asked++
	return c.err
}

func TestCleanupIsTheDriversAndSoIsItsError(t *testing.T) {
	for _, want := range []error{nil, errFault} {
		asked := 0
		b := open(t, t.TempDir(), func(o *Options) { o.Driver = cleaner{o.Driver.(entryDriver), &asked, want} })
		if err := b.Cleanup(t.Context()); !errors.Is(err, want) || asked != 1 {
			t.Errorf("asked %d times: %v, want %v", asked, err, want)
		}
	}
}
