package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
)

// stores opens the stores beneath root, new ones if there are none.
func stores(t testing.TB, root string) archive.Stores {
	t.Helper()
	return steppedStores(t, root, nil)
}

func steppedStores(t testing.TB, root string, step func(string)) archive.Stores {
	t.Helper()
	ctx := context.Background()
	layers, err := plaindriver.OpenLayers(ctx, root, step)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { layers.Close() })
	images, err := image.Open(ctx, image.Options{Root: root, DriverName: plaindriver.Name, Layers: layers, Step: step})
	if err != nil {
		t.Fatal(err)
	}
	return archive.Stores{Images: images, Layers: layers}
}

// file is one entry of a tar.
type file struct {
	name string
	data string
	kind byte // tar.TypeReg by default
	link string
}

func makeTar(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range files {
		hdr := &tar.Header{Name: f.name, Typeflag: f.kind, Linkname: f.link, Mode: 0o644, Size: int64(len(f.data)), ModTime: time.Unix(1, 0)}
		if f.kind == 0 {
			hdr.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// sample is an image to put into archives.
type sample struct {
	config []byte
	layers [][]byte
}

func (s sample) id() image.ID { return image.IDOf(s.config) }

func hex(data []byte) string { return digest.FromBytes(data).Encoded() }

// newSample makes an image whose layers each hold one file with the text.
func newSample(t testing.TB, texts ...string) sample {
	t.Helper()
	var s sample
	config := map[string]any{
		"architecture": "amd64", "os": "linux", "created": "2024-05-06T07:08:09.123456789Z",
		"config":        map[string]any{"Env": []string{"A=1"}, "Cmd": []string{"/bin/sh"}},
		"x-unknown-key": "<kept & untouched>",
	}
	ids, history := []string{}, []any{}
	for i, text := range texts {
		l := makeTar(t, file{name: "dir/", kind: tar.TypeDir}, file{name: "dir/file" + string(rune('a'+i)), data: text})
		s.layers = append(s.layers, l)
		ids = append(ids, digest.FromBytes(l).String())
		history = append(history, map[string]any{"created": "2024-05-06T07:08:09Z", "created_by": "RUN " + text})
	}
	config["rootfs"] = map[string]any{"type": "layers", "diff_ids": ids}
	config["history"] = history
	s.config = asJSON(t, config)
	return s
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// dockerFiles are the files of a docker-save archive as Docker 20.10 lays
// them out: layers in directories of their own, the configuration by name.
func dockerFiles(t testing.TB, s sample, tags ...string) []file {
	t.Helper()
	var files []file
	var paths []string
	for i, l := range s.layers {
		dir := strings.Repeat(string(rune('a'+i)), 64)
		files = append(files,
			file{name: dir + "/", kind: tar.TypeDir},
			file{name: dir + "/VERSION", data: "1.0"},
			file{name: dir + "/json", data: "{}"},
			file{name: dir + "/layer.tar", data: string(l)})
		paths = append(paths, dir+"/layer.tar")
	}
	manifest := []any{map[string]any{"Config": hex(s.config) + ".json", "RepoTags": tags, "Layers": paths}}
	return append(files,
		file{name: hex(s.config) + ".json", data: string(s.config)},
		file{name: "manifest.json", data: string(asJSON(t, manifest))},
		file{name: "repositories", data: "{}"})
}

// replace changes the file of that name, or removes it if f has no name.
func replace(files []file, name string, f file) []file {
	var out []file
	for _, old := range files {
		switch {
		case old.name != name:
			out = append(out, old)
		case f.name != "":
			out = append(out, f)
		}
	}
	return out
}

func writeArchive(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive.tar")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads the archive at path.
func load(t testing.TB, to archive.Stores, path string) ([]archive.Loaded, error) {
	t.Helper()
	return loadWith(t, to, path, archive.LoadOptions{})
}

func loadWith(t testing.TB, to archive.Stores, path string, opts archive.LoadOptions) ([]archive.Loaded, error) {
	t.Helper()
	ctx := context.Background()
	in, err := input.Open(ctx, path, input.Options{TempDir: t.TempDir()})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return archive.Load(ctx, to, in, opts)
}

// wantNothing fails if anything of a refused archive was left beneath root.
func wantNothing(t testing.TB, root string) {
	t.Helper()
	s := stores(t, root)
	if n := len(s.Images.Map()) + len(s.Images.Broken()); n != 0 {
		t.Errorf("%d images left", n)
	}
	if n := len(s.Layers.Map()) + len(s.Layers.Broken()); n != 0 {
		t.Errorf("%d layers left", n)
	}
	if refs := s.Images.Refs().All(); len(refs) != 0 {
		t.Errorf("references left: %v", refs)
	}
	entries, err := os.ReadDir(filepath.Join(root, plaindriver.Name))
	if err != nil || len(entries) != 0 {
		t.Errorf("the driver's home holds %v (%v)", entries, err)
	}
}
