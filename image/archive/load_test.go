package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// wantImage fails unless the sample is stored, whole and byte for byte.
func wantImage(t *testing.T, root string, s sample, names ...string) {
	t.Helper()
	to := stores(t, root)
	img, err := to.Images.Get(s.id())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(img.Raw, s.config) {
		t.Error("the configuration was changed")
	}
	for i, chain := range img.Chain() {
		l, err := to.Layers.Get(chain)
		if err != nil {
			t.Fatal(err)
		}
		r, err := l.TarStream(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, s.layers[i]) {
			t.Errorf("layer %d comes out different (%v)", i, err)
		}
		r.Close()
	}
	var got []string
	list, err := to.Images.List(context.Background(), listAll)
	if err != nil {
		t.Fatal(err)
	}
	for _, sum := range list {
		if sum.ID == s.id() {
			got = sum.RepoTags
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("names %v, want %v", got, names)
	}
}

func TestDockerSaveArchiveIsLoaded(t *testing.T) {
	s := newSample(t, "one", "two")
	root := t.TempDir()
	loaded, err := load(t, stores(t, root), writeArchive(t, makeTar(t, dockerFiles(t, s, "app:1", "example.com/app:2")...)))
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 1 || loaded[0].ID != s.id() || !slices.Equal(loaded[0].Names, []string{"app:1", "example.com/app:2"}) {
		t.Errorf("loaded %+v", loaded)
	}
	wantImage(t, root, s, "app:1", "example.com/app:2")
}

func TestLayerBehindLinkInDockerSaveArchiveIsLoaded(t *testing.T) {
	s := newSample(t, "same")
	files := dockerFiles(t, s, "app:1")
	dir := "a"
	for len(dir) < 64 {
		dir += "a"
	}
	for _, f := range []file{
		{name: dir + "/layer.tar", kind: tar.TypeSymlink, link: "../real/layer.tar"},
		{name: dir + "/layer.tar", kind: tar.TypeLink, link: "real/layer.tar"},
	} {
		linked := replace(files, dir+"/layer.tar", f)
		linked = append([]file{{name: "real/layer.tar", data: string(s.layers[0])}}, linked...)
		root := t.TempDir()
		if _, err := load(t, stores(t, root), writeArchive(t, makeTar(t, linked...))); err != nil {
			t.Fatal(err)
		}
		wantImage(t, root, s, "app:1")
	}
}

func compressed(t *testing.T, kind string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch kind {
	case "gzip":
		w = gzip.NewWriter(&buf)
	case "zstd":
		zw, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w = zw
	default:
		return data
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestCompressedArchivesAndLayersAreLoaded(t *testing.T) {
	for _, whole := range []string{"none", "gzip", "zstd"} {
		for _, each := range []string{"none", "gzip", "zstd"} {
			t.Run(whole+" archive of "+each+" layers", func(t *testing.T) {
				s := newSample(t, "one", "two")
				packed := s
				packed.layers = nil
				for _, l := range s.layers {
					packed.layers = append(packed.layers, compressed(t, each, l))
				}
				root := t.TempDir()
				path := writeArchive(t, compressed(t, whole, makeTar(t, dockerFiles(t, packed, "app:1")...)))
				if _, err := load(t, stores(t, root), path); err != nil {
					t.Fatal(err)
				}
				wantImage(t, root, s, "app:1")
			})
		}
	}
}

func TestArchiveFromPipeIsLoadedAndLeavesNoTemporaryFile(t *testing.T) {
	s := newSample(t, "one")
	root, temp := t.TempDir(), t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		w.Write(makeTar(t, dockerFiles(t, s, "app:1")...))
		w.Close()
	}()
	in, err := input.Read(context.Background(), r, input.Options{TempDir: temp})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := archive.Load(context.Background(), stores(t, root), in, archive.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	wantImage(t, root, s, "app:1")
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left in the temporary directory: %v (%v)", left, err)
	}
}

func TestSeveralImagesShareLayersInOneArchive(t *testing.T) {
	a, b := newSample(t, "base", "a"), newSample(t, "base", "b")
	from := t.TempDir()
	st := stores(t, from)
	for i, s := range []sample{a, b} {
		if _, err := load(t, st, writeArchive(t, makeTar(t, dockerFiles(t, s, []string{"a:1", "b:1"}[i])...))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(st.Layers.Map()); n != 3 {
		t.Errorf("%d layers stored, want 3", n)
	}
	out := filepath.Join(t.TempDir(), "both.tar")
	if err := archive.Save(context.Background(), st, []string{"a:1", "b:1"}, out, archive.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if _, err := load(t, stores(t, root), out); err != nil {
		t.Fatal(err)
	}
	wantImage(t, root, a, "a:1")
	wantImage(t, root, b, "b:1")
}

func TestNameMovesToLoadedImage(t *testing.T) {
	a, b := newSample(t, "a"), newSample(t, "b")
	root := t.TempDir()
	st := stores(t, root)
	if _, err := load(t, st, writeArchive(t, makeTar(t, dockerFiles(t, a, "app:1")...))); err != nil {
		t.Fatal(err)
	}
	loaded, err := load(t, st, writeArchive(t, makeTar(t, dockerFiles(t, b, "app:1")...)))
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded[0].Moved) != 1 || loaded[0].Moved[0].From != a.id() {
		t.Errorf("moved: %+v", loaded[0].Moved)
	}
	wantImage(t, root, b, "app:1")
	wantImage(t, root, a)
}

// The image that the project was measured with, as skopeo packed it.
func TestDebianImageRoundTrip(t *testing.T) {
	const path = "../../../shared/images/debian-slim.oci.tar"
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the Debian image is not here: %v", err)
	}
	root := t.TempDir()
	st := stores(t, root)
	loaded, err := load(t, st, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 1 || !slices.Equal(loaded[0].Names, []string{"debian-slim:1"}) {
		t.Fatalf("loaded %+v", loaded)
	}
	if err := st.Images.Verify(context.Background(), loaded[0].ID, nil); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "saved.tar")
	if err := archive.Save(context.Background(), st, []string{"debian-slim:1"}, out, archive.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	again, err := load(t, stores(t, t.TempDir()), out)
	if err != nil || again[0].ID != loaded[0].ID {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestCorruptLayerIsNotSaved(t *testing.T) {
	s := newSample(t, "precious")
	root := t.TempDir()
	st := stores(t, root)
	if _, err := load(t, st, writeArchive(t, makeTar(t, dockerFiles(t, s, "app:1")...))); err != nil {
		t.Fatal(err)
	}
	damage(t, root, "dir/filea")
	dir := t.TempDir()
	for _, format := range []archive.Format{archive.DockerArchive, archive.OCIDir} {
		err := archive.Save(context.Background(), st, []string{"app:1"}, filepath.Join(dir, "out"), archive.SaveOptions{Format: format})
		wantError(t, err, layer.ErrCorrupt)
	}
	var out bytes.Buffer
	wantError(t, archive.SaveTo(context.Background(), st, []string{"app:1"}, &out, archive.SaveOptions{}), layer.ErrCorrupt)
	if out.Len() != 0 {
		t.Errorf("%d bytes written before the damage was found", out.Len())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}
