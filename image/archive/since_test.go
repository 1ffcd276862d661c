package archive_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// saved writes an archive of images to a file or directory.
func saved(t *testing.T, from archive.Stores, opts archive.SaveOptions, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	if err := archive.Save(context.Background(), from, names, path, opts); err != nil {
		t.Fatal(err)
	}
	return path
}

func loadFile(t *testing.T, to archive.Stores, path string) error {
	t.Helper()
	_, err := load(t, to, path)
	return err
}

// imageOf makes an image of layers.
func imageOf(t *testing.T, layers ...[]byte) sample {
	t.Helper()
	ids := []digest.Digest{}
	for _, l := range layers {
		ids = append(ids, digest.FromBytes(l))
	}
	config := map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": ids}}
	return sample{config: asJSON(t, config), layers: layers}
}

func TestSaveSinceLeavesOutTheLayersOfTheOther(t *testing.T) {
	one, two, three := makeTar(t, file{name: "a", data: "1"}), makeTar(t, file{name: "b", data: "2"}), makeTar(t, file{name: "c", data: "3"})
	base, app := imageOf(t, one, two), imageOf(t, one, two, three, one)
	other := imageOf(t, two) // the same content on nothing: no layer of base's
	for _, format := range []archive.Format{archive.DockerArchive, archive.OCIArchive, archive.OCIDir} {
		t.Run(string(format), func(t *testing.T) {
			from := stores(t, t.TempDir())
			for name, s := range map[string]sample{"base:1": base, "app:1": app, "other:1": other} {
				if err := loadFile(t, from, writeArchive(t, makeTar(t, dockerFiles(t, s, name)...))); err != nil {
					t.Fatal(err)
				}
			}
			whole := saved(t, from, archive.SaveOptions{Format: format}, "app:1")
			delta := saved(t, from, archive.SaveOptions{Format: format, Since: []string{"base:1"}}, "app:1")
			again := saved(t, from, archive.SaveOptions{Format: format, Since: []string{"base:1"}}, "app:1")
			if format != archive.OCIDir {
				a, _ := os.ReadFile(delta)
				b, _ := os.ReadFile(again)
				w, _ := os.ReadFile(whole)
				if !bytes.Equal(a, b) || len(a) >= len(w) {
					t.Errorf("%d bytes and %d, whole %d", len(a), len(b), len(w))
				}
			}

			// Where nothing is, all that is missing is named, and nothing stored.
			root := t.TempDir()
			to := stores(t, root)
			err := loadFile(t, to, delta)
			var missing *archive.MissingError
			want := []layer.DiffID{layer.DiffID("sha256:" + hex(app.layers[1]))}
			// The first layer comes again on top, and so is in it.
			if !errors.As(err, &missing) || !slices.Equal(missing.Layers, want) || !errors.Is(err, input.ErrRefused) {
				t.Fatalf("%v", err)
			}
			for _, text := range []string{string(want[0]), "base:1", base.id().String()} {
				if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%q is not in %q", text, err)
				}
			}
			if n := len(to.Layers.Map()) + len(to.Images.IDs()); n != 0 {
				t.Errorf("%d things were stored", n)
			}

			// Another image with the same layer elsewhere is not enough.
			if err := loadFile(t, to, saved(t, from, archive.SaveOptions{}, "other:1")); err != nil {
				t.Fatal(err)
			}
			if err := loadFile(t, to, delta); !errors.As(err, &missing) {
				t.Errorf("with the other image: %v", err)
			}
			if err := loadFile(t, to, saved(t, from, archive.SaveOptions{}, "base:1")); err != nil {
				t.Fatal(err)
			}
			if err := loadFile(t, to, delta); err != nil {
				t.Fatal(err)
			}
			wantImage(t, root, app, "app:1")
		})
	}
}

func TestSaveSinceItselfHasNoLayerAtAll(t *testing.T) {
	root := t.TempDir()
	to := stores(t, root)
	s := newSample(t, "one", "two")
	if err := loadFile(t, to, writeArchive(t, makeTar(t, dockerFiles(t, s, "app:1")...))); err != nil {
		t.Fatal(err)
	}
	dir := saved(t, to, archive.SaveOptions{Format: archive.OCIDir, Since: []string{"app:1"}}, "app:1")
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil || len(blobs) != 2 {
		t.Errorf("%d blobs, %v", len(blobs), err)
	}
	if err := loadFile(t, to, dir); err != nil {
		t.Error(err)
	}
	wantImage(t, root, s, "app:1")
}

func TestSaveSinceAnUnknownImageIsAnError(t *testing.T) {
	to := stores(t, t.TempDir())
	if err := loadFile(t, to, writeArchive(t, makeTar(t, dockerFiles(t, newSample(t, "one"), "app:1")...))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out")
	if err := archive.Save(context.Background(), to, []string{"app:1"}, path, archive.SaveOptions{Since: []string{"nope"}}); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("an archive: %v", err)
	}
}
