package archive_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/input"
)

func FuzzDockerManifest(f *testing.F) {
	f.Add([]byte(`[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l/layer.tar"],"Parent":"sha256:x"}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) { archive.ParseDockerManifest(data) })
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"mediaType":"m","digest":"sha256:x","size":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) { archive.ParseIndex(data) })
}

func FuzzImageManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"m","digest":"sha256:x","size":1},"layers":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		archive.ParseImageManifest(ocispec.MediaTypeImageManifest, data)
	})
}

// Whatever an archive holds, opening its files neither panics nor reads
// beyond it.
func FuzzArchive(f *testing.F) {
	s := newSample(f, "one")
	f.Add(makeTar(f, dockerFiles(f, s, "app:1")...))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := input.Open(context.Background(), path, input.Options{Limits: input.Limits{Spool: 1 << 20}})
		if err != nil {
			return
		}
		defer in.Close()
		for _, name := range []string{"manifest.json", "index.json", "repositories"} {
			file, err := in.OpenLinked(name)
			if err != nil {
				continue
			}
			n, err := io.Copy(io.Discard, file)
			if err != nil || n != file.Size() || n > int64(len(data)) && !bytes.HasPrefix(data, []byte{0x1f}) {
				t.Errorf("%s: %d bytes of %d (%v)", name, n, file.Size(), err)
			}
		}
	})
}
