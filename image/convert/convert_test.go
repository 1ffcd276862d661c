package convert_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/convert"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/layer"
)

// side is one root with its stores open.
type side struct {
	testing.TB
	root string
	archive.Stores
}

func newSide(t testing.TB) *side {
	t.Helper()
	s := &side{TB: t, root: t.TempDir()}
	layers, err := plaindriver.OpenLayers(t.Context(), s.root, nil)
	if err != nil {
		t.Fatal(err)
	}
	images, err := image.Open(t.Context(), image.Options{Root: s.root, DriverName: plaindriver.Name, Layers: layers})
	if err != nil {
		t.Fatal(err)
	}
	s.Stores = archive.Stores{Images: images, Layers: layers}
	return s
}

// image stores an image of one layer for each text, and names it.
func (s *side) image(names []string, texts ...string) image.ID {
	s.Helper()
	var diffs []layer.DiffID
	for _, text := range texts {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		err := tw.WriteHeader(&tar.Header{Name: "file-" + text, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o644})
		_, werr := tw.Write([]byte(text))
		if err := errors.Join(err, werr, tw.Close()); err != nil {
			s.Fatal(err)
		}
		l, err := s.Layers.Register(s.Context(), &buf, layer.ChainOf(diffs), layer.RegisterOptions{Descriptor: []byte(`{"of":"` + text + `"}`)})
		if err != nil {
			s.Fatal(err)
		}
		diffs = append(diffs, l.DiffID())
	}
	raw, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "created": "2020-01-02T03:04:05Z", "author": texts[len(texts)-1],
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		s.Fatal(err)
	}
	id, err := s.Images.Create(s.Context(), raw)
	if err != nil {
		s.Fatal(err)
	}
	for _, name := range names {
		if _, err := s.Images.Tag(s.Context(), id, name); err != nil {
			s.Fatal(err)
		}
	}
	return id
}

func run(t testing.TB, from, to *side) convert.Result {
	t.Helper()
	done, err := convert.Run(t.Context(), from.Stores, to.Stores, convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func archiveOf(t testing.TB, l layer.Layer) []byte {
	t.Helper()
	r, err := l.TarStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAllThatAnImageIsComesOver(t *testing.T) {
	from, to := newSide(t), newSide(t)
	base := from.image([]string{"base:1"}, "one", "two")
	top := from.image([]string{"top:1", "top:2"}, "one", "two", "three")
	unnamed := from.image(nil, "four")
	if err := from.Images.SetParent(t.Context(), top, base); err != nil {
		t.Fatal(err)
	}
	if err := from.Images.SetLastTagged(top, time.Unix(7, 8).UTC()); err != nil {
		t.Fatal(err)
	}
	done := run(t, from, to)
	if len(done.Stored) != 3 || len(done.Already) != 0 || done.Names != 3 || len(done.Left) != 0 {
		t.Errorf("got %+v", done)
	}
	for _, id := range []image.ID{base, top, unnamed} {
		old, err := from.Images.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		img, err := to.Images.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(img.Raw, old.Raw) || img.Parent != old.Parent || !to.Images.LastTagged(id).Equal(from.Images.LastTagged(id)) ||
			len(to.Images.References(id)) != len(from.Images.References(id)) {
			t.Errorf("image %s is another", id)
		}
		for _, chain := range img.Config.Chain() {
			one, two := from.Layers.Map()[chain], to.Layers.Map()[chain]
			if two == nil || one.CacheID() == two.CacheID() || !bytes.Equal(archiveOf(t, one), archiveOf(t, two)) {
				t.Errorf("layer %s is another", chain)
				continue
			}
			d1, err1 := one.Descriptor()
			d2, err2 := two.Descriptor()
			if err := errors.Join(err1, err2); err != nil || !bytes.Equal(d1, d2) || len(d2) == 0 {
				t.Errorf("descriptor %s, was %s: %v", d2, d1, err)
			}
		}
	}
	if again := run(t, from, to); len(again.Stored) != 0 || len(again.Already) != 3 || again.Names != 0 || len(again.Left) != 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestWhatWasInterruptedGoesOn(t *testing.T) {
	from, to := newSide(t), newSide(t)
	for _, text := range []string{"one", "two", "three"} {
		from.image([]string{text + ":1"}, "base", text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done, err := convert.Run(ctx, from.Stores, to.Stores, convert.Options{Stored: func(image.ID) { cancel() }})
	if !errors.Is(err, context.Canceled) || len(done.Stored) != 1 {
		t.Fatalf("got %+v, %v", done, err)
	}
	if n := len(to.Layers.Map()); n != 2 {
		t.Errorf("%d layers of one image", n)
	}
	if done := run(t, from, to); len(done.Stored) != 2 || len(done.Already) != 1 || done.Names != 3 {
		t.Errorf("got %+v", done)
	}
}

func TestADamagedImageStaysBehindAndIsTold(t *testing.T) {
	from, to := newSide(t), newSide(t)
	good := from.image([]string{"good:1"}, "good")
	bad := from.image([]string{"bad:1"}, "bad")
	img, err := from.Images.Get(bad)
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(from.root, plaindriver.Name, from.Layers.Map()[img.Config.ChainID()].CacheID())
	if err := os.WriteFile(filepath.Join(tree, "file-bad"), []byte("BAD"), 0o644); err != nil {
		t.Fatal(err)
	}
	done := run(t, from, to)
	if len(done.Stored) != 1 || done.Stored[0] != good || len(done.Left) != 2 {
		t.Fatalf("got %+v", done)
	}
	if l := done.Left[0]; l.Kind != "image" || l.Name != bad.Short() || !errors.Is(l, layer.ErrCorrupt) {
		t.Errorf("got %v", l)
	}
	if l := done.Left[1]; l.Kind != "name" || l.Name != "bad:1" {
		t.Errorf("got %v", l)
	}
	if len(to.Layers.Map()) != 1 {
		t.Error("something of the damaged image was stored")
	}
}

func TestWhatHasANameThereKeepsIt(t *testing.T) {
	from, to := newSide(t), newSide(t)
	from.image([]string{"app:1"}, "old")
	newer := to.image([]string{"app:1"}, "new")
	done := run(t, from, to)
	if len(done.Left) != 1 || !errors.Is(done.Left[0], convert.ErrNameTaken) || done.Left[0].Name != "app:1" {
		t.Errorf("got %+v", done)
	}
	if id, err := to.Images.Resolve("app:1"); err != nil || id != newer {
		t.Errorf("app:1 is %s, %v", id, err)
	}
}

func TestContainersAreTold(t *testing.T) {
	from, to := newSide(t), newSide(t)
	id := from.image([]string{"app:1"}, "app")
	img, err := from.Images.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Layers.CreateRWLayer(t.Context(), "box", img.Config.ChainID(), layer.CreateRWOptions{}); err != nil {
		t.Fatal(err)
	}
	if done := run(t, from, to); len(done.Left) != 1 || !errors.Is(done.Left[0], convert.ErrContainer) || done.Left[0].Name != "box" {
		t.Errorf("got %+v", done)
	}
}

func TestTheNoteOfAConversionIsKeptAndNotTrusted(t *testing.T) {
	root := t.TempDir()
	if to, err := convert.Target(root, "a"); to != "" || err != nil {
		t.Fatalf("got %q, %v", to, err)
	}
	half := filepath.Join(root, "bulkhead", "a", ".bulkhead-tmp-1") // of one that was interrupted
	if err := errors.Join(os.MkdirAll(filepath.Dir(half), 0o700), os.WriteFile(half, []byte("{"), 0o600), convert.Mark(root, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(half); !os.IsNotExist(err) {
		t.Errorf("a half of a note stays: %v", err)
	}
	if to, err := convert.Target(root, "a"); to != "b" || err != nil {
		t.Fatalf("got %q, %v", to, err)
	}
	for range 2 {
		if err := convert.Unmark(root, "a"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(root, "bulkhead", "a", "converted.json")
	for name, make := range map[string]func() error{
		"fifo":    func() error { return syscall.Mkfifo(path, 0o600) },
		"symlink": func() error { return os.Symlink("/etc/passwd", path) },
		"text":    func() error { return os.WriteFile(path, []byte("b"), 0o600) },
		"dir":     func() error { return os.Mkdir(path, 0o700) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if to, err := convert.Target(root, "a"); to != "" || err == nil {
			t.Errorf("%s: got %q, %v", name, to, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
