package layer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/layer/tarsplit"
)

// corpus collects the archives that the tar packages of Go and of tar-split
// are tested with. They come with the toolchain and with the module.
func corpus(t *testing.T) map[string][]byte {
	t.Helper()
	dir := func(args ...string) string {
		out, err := exec.Command("go", args...).Output()
		if err != nil {
			t.Skipf("go %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	goTar := filepath.Join(dir("env", "GOROOT"), "src/archive/tar/testdata/*.tar")
	splitTar := filepath.Join(dir("list", "-m", "-f", "{{.Dir}}", "github.com/vbatts/tar-split"), "tar/asm/testdata/*.tar.gz")
	all := map[string][]byte{}
	for _, pattern := range []string{goTar, splitTar} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Skipf("nothing matches %s: %v", pattern, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, ".gz") {
				zip, err := gzip.NewReader(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				if b, err = io.ReadAll(zip); err != nil {
					t.Fatal(err)
				}
			}
			all[filepath.Base(name)] = b
		}
	}
	return all
}

// TestCorpusIsExportedByteForByteOrRefused: never accepted and lost.
func TestCorpusIsExportedByteForByteOrRefused(t *testing.T) {
	all := corpus(t)
	for way, how := range drivers {
		t.Run(way, func(t *testing.T) {
			b := open(t, t.TempDir(), through(how))
			accepted := 0
			for name, tarball := range all {
				l, err := b.Register(t.Context(), bytes.NewReader(tarball), "", RegisterOptions{})
				if err != nil {
					if !errors.Is(err, layertar.ErrRefused) || strings.Contains(err.Error(), "\n") {
						t.Errorf("%s: %v", name, err)
					}
					if way == "entries and getter" {
						t.Logf("%s: %v", name, err)
					}
					continue
				}
				accepted++
				if !bytes.Equal(b.read(l), tarball) {
					t.Errorf("%s: other bytes came out", name)
				}
				if err := b.Verify(t.Context(), l.ChainID()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if accepted < len(all)/2 {
				t.Errorf("only %d of %d archives were accepted", accepted, len(all))
			}
			b.nothingOrphaned()
		})
	}
}

// TestTarSplitDataIsThatOfTarSplit compares with what its own disassembly
// writes, which is what moby stores.
func TestTarSplitDataIsThatOfTarSplit(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	all := corpus(t)
	all["own"] = archive(t, file{name: "a/"}, file{name: "a/b", content: "b"}, file{name: "a/.wh.c"}, file{name: "\xff\xfe", content: "not UTF-8"})
	for name, tarball := range all {
		l, err := b.Register(t.Context(), bytes.NewReader(tarball), "", RegisterOptions{})
		if err != nil {
			continue
		}
		var want bytes.Buffer
		r, done, err := asm.NewInputTarStreamWithDone(bytes.NewReader(tarball), storage.NewJSONPacker(&want), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(b.at.chain(l.ChainID()), fileTarSplit))
		if err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(zip)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want.Bytes())
		}
		f.Close()
	}
}

func FuzzTarSplitData(f *testing.F) {
	pack := func(entries ...storage.Entry) []byte {
		var buf bytes.Buffer
		p := storage.NewJSONPacker(&buf)
		for _, e := range entries {
			p.AddEntry(e)
		}
		return buf.Bytes()
	}
	f.Add(pack(storage.Entry{Type: storage.SegmentType, Payload: []byte("head")}, storage.Entry{Type: storage.FileType, Name: "a", Size: 1, Payload: make([]byte, 8)}))
	f.Add(pack(storage.Entry{Type: storage.FileType, Name: "../a", Size: -1}))
	f.Add([]byte(`{"type":9}{"type":1,"name":"a","size":9223372036854775807,"payload":null}`))
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		files := &treeFiles{root: root, put: func() error { return nil }}
		defer files.Close()
		a := assembler{ctx: t.Context(), rec: &record{}, files: files, w: io.Discard, bad: func(err error) error { return err }}
		if err := a.run(tarsplit.NewReader(bytes.NewReader(data))); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, layertar.ErrRefused) {
			t.Error(err)
		}
	})
}
