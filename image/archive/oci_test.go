package archive_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/input"
)

// layout is an OCI directory that is being made.
type layout struct {
	t   testing.TB
	dir string
}

func newLayout(t testing.TB) layout {
	l := layout{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(l.dir, "blobs", "sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l layout) blob(mediaType string, data []byte) ocispec.Descriptor {
	l.t.Helper()
	d := digest.FromBytes(data)
	if err := os.WriteFile(filepath.Join(l.dir, "blobs", "sha256", d.Encoded()), data, 0o600); err != nil {
		l.t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

func (l layout) image(s sample, layerType string) ocispec.Descriptor {
	l.t.Helper()
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: l.blob(ocispec.MediaTypeImageConfig, s.config)}
	m.SchemaVersion = 2
	for _, data := range s.layers {
		m.Layers = append(m.Layers, l.blob(layerType, data))
	}
	return l.blob(ocispec.MediaTypeImageManifest, asJSON(l.t, m))
}

func (l layout) index(entries ...ocispec.Descriptor) []byte {
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: entries}
	index.SchemaVersion = 2
	return asJSON(l.t, index)
}

func (l layout) finish(entries ...ocispec.Descriptor) {
	l.t.Helper()
	for name, data := range map[string][]byte{"index.json": l.index(entries...), "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
}

func named(d ocispec.Descriptor, name string) ocispec.Descriptor {
	d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	return d
}

func forPlatform(d ocispec.Descriptor, os, arch string) ocispec.Descriptor {
	d.Platform = &ocispec.Platform{OS: os, Architecture: arch}
	return d
}

// ociDir writes a sample as an OCI directory and returns where its parts are.
func ociDir(t testing.TB, s sample) (dir string, names map[string]string) {
	t.Helper()
	l := newLayout(t)
	m := l.image(s, ocispec.MediaTypeImageLayer)
	l.finish(named(m, "app:1"))
	blob := func(d digest.Digest) string { return filepath.Join("blobs", "sha256", d.Encoded()) }
	return l.dir, map[string]string{
		"index.json": "index.json",
		"manifest":   blob(m.Digest),
		"config":     blob(digest.FromBytes(s.config)),
		"layer":      blob(digest.FromBytes(s.layers[0])),
	}
}

func TestOCIDirectoryIsLoaded(t *testing.T) {
	s := newSample(t, "one", "two")
	dir, _ := ociDir(t, s)
	root := t.TempDir()
	if _, err := load(t, stores(t, root), dir); err != nil {
		t.Fatal(err)
	}
	wantImage(t, root, s, "app:1")
}

func TestImageForThisPlatformIsTakenFromNestedIndex(t *testing.T) {
	mine, other, windows := newSample(t, "mine"), newSample(t, "other"), newSample(t, "windows")
	l := newLayout(t)
	foreign := "riscv64"
	if runtime.GOARCH == foreign {
		foreign = "s390x"
	}
	attestation := l.image(newSample(t, "attestation"), ocispec.MediaTypeImageLayer)
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	inner := l.blob(ocispec.MediaTypeImageIndex, l.index(
		forPlatform(l.image(windows, ocispec.MediaTypeImageLayer), "windows", runtime.GOARCH),
		forPlatform(l.image(other, ocispec.MediaTypeImageLayer), "linux", foreign),
		forPlatform(l.image(mine, ocispec.MediaTypeImageLayer), "linux", runtime.GOARCH),
		attestation,
	))
	outer := l.blob(ocispec.MediaTypeImageIndex, l.index(inner))
	l.finish(named(outer, "app:1"))
	root := t.TempDir()
	loaded, err := load(t, stores(t, root), l.dir)
	if err != nil || len(loaded) != 1 {
		t.Fatalf("%+v, %v", loaded, err)
	}
	wantImage(t, root, mine, "app:1")
}

func TestOnlyImageIsTakenWhateverItsPlatform(t *testing.T) {
	s := newSample(t, "only")
	l := newLayout(t)
	l.finish(named(forPlatform(l.image(s, ocispec.MediaTypeImageLayer), "linux", "riscv64"), "app:1"))
	root := t.TempDir()
	if _, err := load(t, stores(t, root), l.dir); err != nil {
		t.Fatal(err)
	}
	wantImage(t, root, s, "app:1")
}

func TestNameOfOCIImageComesFromItsAnnotations(t *testing.T) {
	for name, c := range map[string]struct {
		annotations map[string]string
		want        []string
	}{
		"containerd's name wins": {map[string]string{"io.containerd.image.name": "docker.io/library/app:2", ocispec.AnnotationRefName: "2"}, []string{"app:2"}},
		"a whole reference":      {map[string]string{ocispec.AnnotationRefName: "example.com/app:3"}, []string{"example.com/app:3"}},
		"a tag alone is none":    {map[string]string{ocispec.AnnotationRefName: "latest"}, nil},
		"no name for an image":   {map[string]string{ocispec.AnnotationRefName: "A:B+C/d"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSample(t, "one")
			l := newLayout(t)
			d := l.image(s, ocispec.MediaTypeImageLayer)
			d.Annotations = c.annotations
			l.finish(d)
			root := t.TempDir()
			if _, err := load(t, stores(t, root), l.dir); err != nil {
				t.Fatal(err)
			}
			wantImage(t, root, s, c.want...)
		})
	}
}

func TestOCILayerCompressionHasToMatchItsMediaType(t *testing.T) {
	s := newSample(t, "one")
	packed := s
	packed.layers = [][]byte{compressed(t, "gzip", s.layers[0])}
	for mediaType, good := range map[string]bool{
		ocispec.MediaTypeImageLayerGzip:                     true,
		"application/vnd.docker.image.rootfs.diff.tar.gzip": true,
		ocispec.MediaTypeImageLayer:                         false,
		ocispec.MediaTypeImageLayerZstd:                     false,
		"application/x-other":                               false,
	} {
		l := newLayout(t)
		l.finish(named(l.image(packed, mediaType), "app:1"))
		root := t.TempDir()
		_, err := load(t, stores(t, root), l.dir)
		if good && err != nil {
			t.Errorf("%s: %v", mediaType, err)
		}
		if !good {
			wantError(t, err, input.ErrRefused)
			wantNothing(t, root)
		}
	}
}

func TestEveryBlobIsHeldToDigestAndSize(t *testing.T) {
	for _, victim := range []string{"manifest", "config", "layer"} {
		for how, harm := range map[string]func([]byte) []byte{
			"one byte changed": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"one byte more":    func(b []byte) []byte { return append(b, 0) },
			"one byte less":    func(b []byte) []byte { return b[:len(b)-1] },
		} {
			t.Run(victim+" has "+how, func(t *testing.T) {
				dir, names := ociDir(t, newSample(t, "one"))
				path := filepath.Join(dir, names[victim])
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, harm(data), 0o600); err != nil {
					t.Fatal(err)
				}
				root := t.TempDir()
				if _, err = load(t, stores(t, root), dir); err == nil {
					t.Fatal("loaded")
				}
				wantNothing(t, root)
			})
		}
	}
}

func TestDamagedBlobOfStoredLayerIsNoticed(t *testing.T) {
	s := newSample(t, "one")
	dir, names := ociDir(t, s)
	root := t.TempDir()
	st := stores(t, root)
	if _, err := load(t, st, dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, names["layer"])
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[700] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = load(t, st, dir)
	wantError(t, err, archive.ErrMismatch)
	wantImage(t, root, s, "app:1")
}

func TestDocumentsThatClaimToBeTwoThingsAreRefused(t *testing.T) {
	s := newSample(t, "one")
	for name, edit := range map[string]func(map[string]any){
		"an index with layers":    func(doc map[string]any) { doc["layers"] = []any{} },
		"an index with a config":  func(doc map[string]any) { doc["config"] = map[string]any{} },
		"an index said otherwise": func(doc map[string]any) { doc["mediaType"] = ocispec.MediaTypeImageManifest },
		"no entries":              func(doc map[string]any) { doc["manifests"] = []any{} },
		"a digest without a hash": func(doc map[string]any) {
			doc["manifests"] = []any{map[string]any{"mediaType": ocispec.MediaTypeImageManifest, "digest": "../../x", "size": 1}}
		},
		"a negative size": func(doc map[string]any) {
			doc["manifests"].([]any)[0].(map[string]any)["size"] = -1
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := ociDir(t, s)
			change(t, filepath.Join(dir, "index.json"), edit)
			root := t.TempDir()
			_, err := load(t, stores(t, root), dir)
			wantError(t, err, input.ErrRefused)
			wantNothing(t, root)
		})
	}
}

func TestIndexesNestedWithoutEndAreRefused(t *testing.T) {
	l := newLayout(t)
	d := l.image(newSample(t, "one"), ocispec.MediaTypeImageLayer)
	for range 8 {
		d = l.blob(ocispec.MediaTypeImageIndex, l.index(d))
	}
	l.finish(d)
	_, err := load(t, stores(t, t.TempDir()), l.dir)
	wantError(t, err, input.ErrRefused)
}

func TestIndexWithTooManyEntriesIsRefused(t *testing.T) {
	l := newLayout(t)
	d := l.image(newSample(t, "one"), ocispec.MediaTypeImageLayer)
	entries := make([]ocispec.Descriptor, 2000)
	for i := range entries {
		entries[i] = d
	}
	l.finish(entries...)
	_, err := load(t, stores(t, t.TempDir()), l.dir)
	wantError(t, err, input.ErrRefused)
}
