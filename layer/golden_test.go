package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// goldenArchive is the archive of which testdata/tar-split.golden.json is
// the tar-split data.
func goldenArchive(t *testing.T) []byte {
	return archive(t,
		file{name: "etc/"},
		file{name: "etc/hostname", content: "bulkhead\n"},
		file{name: "etc/alias", kind: tar.TypeLink, link: "etc/hostname"},
		file{name: "bin", kind: tar.TypeSymlink, link: "usr/bin"},
		file{name: "var/.wh.cache"},
		file{name: "latin1-\xe9", content: "name_raw"},
	)
}

// TestTarSplitDataHasNotChanged guards the format across versions: layers
// that are on disk have to stay readable, by us and by dockerd.
func TestTarSplitDataHasNotChanged(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "tar-split.golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, t.TempDir(), nil)
	tarball := goldenArchive(t)
	l := b.add(tarball, "")
	split := filepath.Join(b.at.chain(l.ChainID()), fileTarSplit)
	packed, err := os.ReadFile(split)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s", got)
	}

	// What another program has packed reads as well.
	var repacked bytes.Buffer
	w := gzip.NewWriter(&repacked)
	w.Write(want)
	w.Close()
	if err := os.WriteFile(split, repacked.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.read(l), tarball) {
		t.Error("other bytes came out")
	}
}
