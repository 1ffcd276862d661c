package layer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func chainsOf(removed []Removed) (out []ChainID) {
	for _, r := range removed {
		out = append(out, r.ChainID)
	}
	return out
}

func TestLastReferenceRemovesTheLayerAndItsUnusedParents(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l1 := b.add(archive(t, file{name: "1", content: "1"}), "")
	l2 := b.add(archive(t, file{name: "2", content: "22"}), l1.ChainID())
	l3 := b.add(archive(t, file{name: "3", content: "333"}), l2.ChainID())
	side := b.add(archive(t, file{name: "4"}), l1.ChainID())
	second, err := b.Get(l3.ChainID())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Layer{l1, l2, l3} { // each still kept by something
		if r, err := b.Release(t.Context(), l); err != nil || len(r) != 0 {
			t.Fatal(r, err)
		}
	}
	r, err := b.Release(t.Context(), second)
	if err != nil || len(r) != 2 || r[0] != (Removed{l3.ChainID(), l3.DiffID(), 6, 3}) || r[1].ChainID != l2.ChainID() {
		t.Fatal(r, err)
	}
	b.nothingOrphaned()
	if _, err := l3.TarStream(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := b.Get(l3.ChainID()); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	r, err = b.Release(t.Context(), side)
	if err != nil || len(r) != 2 {
		t.Error(chainsOf(r), err)
	}
	if len(b.Map()) != 0 {
		t.Error(b.Map())
	}
	b.nothingOrphaned()
}

func TestReleasingWhatIsNotHeldIsRefused(t *testing.T) {
	b, other := open(t, t.TempDir(), nil), open(t, t.TempDir(), nil)
	l := b.add(archive(t), "")
	for _, l := range []Layer{other.add(archive(t), ""), b.Map()[l.ChainID()], nil} {
		if _, err := b.Release(t.Context(), l); !errors.Is(err, ErrNotRetained) {
			t.Errorf("%v: %v", l, err)
		}
	}
	if _, err := b.Release(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Release(t.Context(), l); !errors.Is(err, ErrNotRetained) {
		t.Error(err)
	}
}

func TestContainersKeepTheirLayers(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	id := b.add(archive(t), "").ChainID()
	dockerMount(t, b, "container", map[string]string{fileParent: string(id)}) // and broken as it is
	b = open(t, root, nil)
	l, err := b.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := b.Release(t.Context(), l); err != nil || len(r) != 0 {
		t.Error(r, err)
	}
	if b.Map()[id] == nil || len(names(b.at.mounts())) != 1 {
		t.Error("a container lost its layer")
	}
}

func TestReadOnlyStoreChangesNothing(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	l := b.add(archive(t, file{name: "a", content: "x"}), "")
	// Something unfinished lies about.
	for _, dir := range []string{b.at.tx("half"), b.driver.tree("half")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.intend("half"); err != nil {
		t.Fatal(err)
	}
	ro := open(t, root, func(o *Options) { o.ReadOnly = true })
	ro.disk.before = func(op, path string) error { return fmt.Errorf("%s %s on a store opened to read", op, path) }
	if _, err := ro.Register(t.Context(), bytes.NewReader(nil), "", RegisterOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	held, err := ro.Get(l.ChainID())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ro.read(held), archive(t, file{name: "a", content: "x"})) {
		t.Error("other bytes came out")
	}
	if r, err := ro.Release(t.Context(), held); err != nil || len(r) != 0 {
		t.Error(r, err)
	}
	if len(names(b.at.journal())) != 1 || len(names(b.at.tmp())) != 1 || len(b.driver.ids()) != 2 {
		t.Error("something was cleared away")
	}
	empty := open(t, filepath.Join(root, "none"), func(o *Options) { o.ReadOnly = true })
	if len(empty.Map()) != 0 || len(names(filepath.Join(root, "none"))) != 0 {
		t.Error("reading made something")
	}
	open(t, root, nil).nothingOrphaned()
}

func TestWithoutADriverLayersAreListedOnly(t *testing.T) {
	root := t.TempDir()
	id := open(t, root, nil).add(archive(t, file{name: "a", content: "x"}), "").ChainID()
	b := open(t, root, func(o *Options) { o.Driver = nil })
	l, err := b.Get(id)
	if err != nil || l.Size() != 1 {
		t.Fatal(err)
	}
	_, err1 := l.TarStream(t.Context())
	_, err2 := l.TarStreamFrom(t.Context(), "")
	_, err3 := l.Metadata(t.Context())
	_, err4 := b.NewSession(t.Context())
	_, err5 := b.DriverStatus(t.Context())
	_, err6 := b.Release(t.Context(), l)
	for i, err := range []error{err1, err2, err3, err4, err5, err6, b.Verify(t.Context(), id)} {
		if err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	if b.Map()[id] == nil {
		t.Error("it is gone")
	}
}

func TestADescriptorIsKeptWithItsLayer(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	const text = `{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":7}`
	l, err := b.Register(t.Context(), bytes.NewReader(archive(t, file{name: "a"})), "", RegisterOptions{Descriptor: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Descriptor(); err != nil || string(got) != text {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := b.add(archive(t, file{name: "b"}), l.ChainID()).Descriptor(); err != nil || got != nil {
		t.Errorf("got %s, %v of a layer without one", got, err)
	}
	if err := os.WriteFile(filepath.Join(b.at.chain(l.ChainID()), fileDescriptor), make([]byte, maxDescriptor+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Descriptor(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}
