package layer_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/layer"
)

// proven is a store over a driver that ships, with two layers.
type proven struct {
	*testing.T
	root, name string
	s          *layer.Store
	chain      []layer.ChainID
}

func openProven(t *testing.T, name string) *proven {
	t.Helper()
	driver := host.Native(vfs.Driver{})
	if name == "overlay2" {
		driver = host.Native(&overlay2.Driver{})
	}
	p := &proven{T: t, root: t.TempDir(), name: name}
	d, err := host.Open(t.Context(), host.Config{
		Name: name, Home: filepath.Join(p.root, name), State: filepath.Join(p.root, "bulkhead", name),
		Embedded: true, Unprivileged: os.Geteuid() != 0, Grants: driverswasm.Grants(name),
	}, driver)
	if graphdriver.IsUnsuitable(err) {
		t.Skip("this machine lacks what the driver needs: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.Background()) })
	if p.s, err = layer.Open(t.Context(), layer.Options{Root: p.root, DriverName: name, Driver: host.Complete(d)}); err != nil {
		t.Fatal(err)
	}
	parent := layer.ChainID("")
	for _, b := range [][]byte{
		graphtest.Archive(t, graphtest.Dir("d"), graphtest.File("d/a", "one"), graphtest.File("d/b", "two")),
		graphtest.Archive(t, graphtest.Dir("d"), graphtest.File("d/b", "TWO"), graphtest.File("d/c", "three")),
	} {
		l, err := p.s.Register(t.Context(), bytes.NewReader(b), parent, layer.RegisterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		parent = l.ChainID()
		p.chain = append(p.chain, parent)
	}
	return p
}

// file is where a file that ends so lies on disk, of the layer that is topmost
// or, with low, lowest.
func (p *proven) file(low bool, name string) string {
	p.Helper()
	l, err := p.s.Get(p.chain[map[bool]int{true: 0, false: 1}[low]])
	if err != nil {
		p.Fatal(err)
	}
	defer p.s.Release(p.Context(), l)
	if p.name == "overlay2" {
		return filepath.Join(p.root, p.name, l.CacheID(), "diff", name)
	}
	return filepath.Join(p.root, p.name, "dir", l.CacheID(), name)
}

func (p *proven) stamps() []string {
	p.Helper()
	names, err := filepath.Glob(filepath.Join(p.root, "bulkhead", p.name, "stamp-*"))
	if err != nil {
		p.Fatal(err)
	}
	return names
}

func eachProven(t *testing.T, run func(*proven)) {
	for _, name := range []string{"overlay2", "vfs"} {
		t.Run(name, func(t *testing.T) { run(openProven(t, name)) })
	}
}

func TestALayerIsStampedWhenItIsRegistered(t *testing.T) {
	eachProven(t, func(p *proven) {
		if n := len(p.stamps()); n != 2 {
			p.Fatalf("%d stamps", n)
		}
		for _, full := range []bool{false, true} {
			if err := p.s.Prove(p.Context(), p.chain[1], full); err != nil {
				p.Errorf("full %v: %v", full, err)
			}
		}
	})
}

func TestWhatIsNotAsItsStampSaysIsReadInFullAndNamed(t *testing.T) {
	eachProven(t, func(p *proven) {
		file := p.file(false, "d/c")
		if err := os.Chmod(file, 0o600); err != nil {
			p.Fatal(err)
		}
		err := p.s.Prove(p.Context(), p.chain[1], false)
		if !errors.Is(err, layer.ErrCorrupt) || !strings.Contains(err.Error(), `"d/c"`) || !strings.Contains(err.Error(), "mode") {
			p.Errorf("%v", err)
		}
		if err := os.Chmod(file, 0o644); err != nil {
			p.Fatal(err)
		}
		// As it was, with another ctime: believed after it was read, and again
		// without.
		before := p.stamps()
		if err := p.s.Prove(p.Context(), p.chain[1], false); err != nil {
			p.Error(err)
		}
		if after := p.stamps(); len(after) != len(before) {
			p.Errorf("%v, before %v", after, before)
		}
	})
}

// What runs is the whole chain where layers are deltas.
func TestALowerLayerThatWasAlteredIsFound(t *testing.T) {
	p := openProven(t, "overlay2")
	if err := os.WriteFile(p.file(true, "d/a"), []byte("ONE"), 0o644); err != nil {
		p.Fatal(err)
	}
	err := p.s.Prove(p.Context(), p.chain[1], false)
	if !errors.Is(err, layer.ErrCorrupt) || !strings.Contains(err.Error(), `"d/a"`) {
		p.Errorf("%v", err)
	}
}

func TestWithoutAStampOrOnAnotherFileSystemALayerIsReadInFullAndStamped(t *testing.T) {
	eachProven(t, func(p *proven) {
		for i, name := range p.stamps() {
			var err error
			if i == 0 {
				err = os.Remove(name)
			} else {
				err = os.WriteFile(name, []byte(`{"fileSystem":"uuid:00","digest":"sha256:00"}`), 0o600)
			}
			if err != nil {
				p.Fatal(err)
			}
		}
		for _, chain := range p.chain {
			if err := p.s.Prove(p.Context(), chain, false); err != nil {
				p.Fatal(err)
			}
		}
		names := p.stamps()
		if len(names) != 2 {
			p.Fatalf("%v", names)
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err != nil || strings.Contains(string(b), "uuid:00\"") {
				p.Errorf("%s %v", b, err)
			}
		}
	})
}

func TestAStampGoesWithItsLayer(t *testing.T) {
	p := openProven(t, "vfs")
	again, err := layer.Open(p.Context(), layer.Options{Root: p.root, DriverName: p.name, Driver: p.s.Driver()})
	if err != nil {
		p.Fatal(err)
	}
	low, err := again.Get(p.chain[1])
	if err != nil {
		p.Fatal(err)
	}
	if _, err := again.Release(p.Context(), low); err != nil {
		p.Fatal(err)
	}
	if left := p.stamps(); len(left) != 0 {
		p.Errorf("%v", left)
	}
}

func TestStampsOfLayersThatAreNotThereAreForgotten(t *testing.T) {
	p := openProven(t, "vfs")
	stray := filepath.Join(p.root, "bulkhead", p.name, "stamp-0123.json")
	if err := os.WriteFile(stray, []byte("{}"), 0o600); err != nil {
		p.Fatal(err)
	}
	if _, err := layer.Open(p.Context(), layer.Options{Root: p.root, DriverName: p.name, Driver: p.s.Driver()}); err != nil {
		p.Fatal(err)
	}
	if _, err := os.Lstat(stray); !errors.Is(err, os.ErrNotExist) {
		p.Error(err)
	}
	if n := len(p.stamps()); n != 2 {
		p.Errorf("%d stamps", n)
	}
}
