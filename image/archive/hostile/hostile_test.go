package hostile_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/archive/hostile"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// patience is how long one small archive may take before it counts as one
// that never ends.
const patience = time.Minute

var removeAll = image.RemoveOptions{Force: true}

func TestEveryArchiveIsStoredExactlyOrRefusedWhole(t *testing.T) {
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			s := openStores(t, driver)
			if _, err := s.load(t, s.write(t, hostile.Honest())); err != nil {
				t.Fatal(err)
			}
			for _, c := range hostile.Cases() {
				if !c.Heavy {
					t.Run(c.Name, func(t *testing.T) { s.try(t, c) })
				}
			}
		})
	}
}

func (s *stack) write(t *testing.T, c hostile.Case) string {
	t.Helper()
	path := filepath.Join(s.dir, "archive.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Write(f, s.outside), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *stack) load(t *testing.T, path string) ([]archive.Loaded, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, err := input.Open(ctx, path, input.Options{TempDir: s.temp})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return archive.Load(ctx, s.Stores, in, archive.LoadOptions{Limits: archive.Limits{Layer: 1 << 30}})
}

func (s *stack) try(t *testing.T, c hostile.Case) {
	path := s.write(t, c)
	before, guard := look(t, s.root, false), look(t, s.outside, true)
	images := len(s.Images.Map())
	loaded, err := s.load(t, path)
	same(t, "the guarded directory", guard, look(t, s.outside, true))
	if left, _ := os.ReadDir(s.temp); len(left) != 0 {
		t.Errorf("in the directory for temporary files: %v", left)
	}
	if c.On(s.driver) == hostile.Refused {
		refused(t, c, err)
		if len(s.Images.Map()) != images {
			t.Error("an image is there")
		}
		same(t, "the root", before, look(t, s.root, false))
		return
	}
	if err != nil {
		t.Errorf("refused: %v", err)
		same(t, "the root", before, look(t, s.root, false))
		return
	}
	for _, l := range loaded {
		s.exact(t, c, l.ID)
		if _, err := s.Images.Remove(t.Context(), string(l.ID), removeAll); err != nil {
			t.Error(err)
		}
	}
	same(t, "the guarded directory, after all", guard, look(t, s.outside, true))
	same(t, "the root, after the image was removed", before, look(t, s.root, false))
}

// refused checks that an error is one clear line, of the archive's making.
func refused(t *testing.T, c hostile.Case, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("it was loaded")
		return
	case errors.Is(err, context.DeadlineExceeded):
		t.Error("it never ends")
	case errors.Is(err, layer.ErrCorrupt), errors.Is(err, image.ErrCorrupt), errors.Is(err, graphdriver.ErrCorrupt):
		t.Errorf("the store is said to be corrupt: %v", err)
	case !errors.Is(err, input.ErrRefused) && !errors.Is(err, layertar.ErrRefused) && !errors.Is(err, layer.ErrDigestMismatch):
		t.Errorf("not said to be the archive's fault: %v", err)
	}
	text := err.Error()
	if !strings.Contains(text, c.Says) {
		t.Errorf("does not say %q: %v", c.Says, err)
	}
	if len(text) > 1000 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("not a clear line: %q", text)
	}
}

// exact checks that each layer comes out as it went in, and where its files
// lie.
func (s *stack) exact(t *testing.T, c hostile.Case, id image.ID) {
	t.Helper()
	img, err := s.Images.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	chain := img.Chain()
	for i, id := range chain {
		l, err := s.Layers.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Layers.Release(context.WithoutCancel(t.Context()), l)
		r, err := l.TarStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		_, err = io.Copy(h, r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Errorf("export: %v", err)
		}
		if got := fmt.Sprintf("sha256:%x", h.Sum(nil)); err == nil && got != string(l.DiffID()) {
			t.Errorf("%s was stored, %s comes out", l.DiffID(), got)
		}
		if err := s.Layers.Verify(t.Context(), id); err != nil {
			t.Errorf("verify: %v", err)
		}
		if c.Lands != "" && i == len(chain)-1 {
			s.landed(t, c, l)
		}
	}
}

// landed reads a file where it lies on the disk.
func (s *stack) landed(t *testing.T, c hostile.Case, l layer.Layer) {
	t.Helper()
	path := filepath.Join(s.base(t, l), strings.ReplaceAll(c.Lands, "{out}", s.outside[1:]))
	got, err := os.ReadFile(path)
	if err != nil || string(got) != hostile.Payload {
		t.Errorf("in the layer's tree: %q (%v)", got, err)
	}
	if reachable(s.root, path) {
		t.Errorf("anybody can get to %s", path)
	}
}
