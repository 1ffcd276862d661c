package input_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/image/input"
)

// pack makes a tar of regular files, name and content in turn.
func pack(t *testing.T, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		if err := tw.WriteHeader(&tar.Header{Name: files[i], Typeflag: tar.TypeReg, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func stored(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, a input.Archive, name string) string {
	t.Helper()
	f, err := a.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil || int64(len(data)) != f.Size() {
		t.Fatalf("%s: %d of %d bytes (%v)", name, len(data), f.Size(), err)
	}
	return string(data)
}

func TestEveryKindOfArchiveReadsTheSame(t *testing.T) {
	data := pack(t, "./a", "first", "d/b", strings.Repeat("x", 100000), "c", "last")
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "first", "c": "last"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for kind, path := range map[string]string{"tar": stored(t, data), "tar.gz": stored(t, zipped(t, data)), "directory": dir} {
		a, err := input.Open(context.Background(), path, input.Options{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, a, "a") + content(t, a, "c"); got != "firstlast" {
			t.Errorf("%s reads %q", kind, got)
		}
		for _, name := range []string{"none", "a/none", "", "../a", "/a", "d/../a"} {
			if _, err := a.Open(name); !errors.Is(err, input.ErrRefused) {
				t.Errorf("%s: %q: %v", kind, name, err)
			}
		}
		if _, err := a.Open("none"); !errors.Is(err, input.ErrMissing) {
			t.Errorf("%s: %v", kind, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPlainFileIsReadInPlace(t *testing.T) {
	path := stored(t, pack(t, "a", "x"))
	a, err := input.Open(context.Background(), path, input.Options{TempDir: "/nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, err := input.Open(context.Background(), stored(t, zipped(t, pack(t, "a", "x"))), input.Options{TempDir: "/nowhere"}); err == nil {
		t.Error("a compressed file was spooled to nowhere")
	}
}

func TestLimitsAreKept(t *testing.T) {
	var many []string
	for i := range 20 {
		many = append(many, strings.Repeat("n", i+1), "")
	}
	for name, c := range map[string]struct {
		limits input.Limits
		data   []byte
	}{
		"entries": {input.Limits{Entries: 19}, pack(t, many...)},
		"names":   {input.Limits{Name: 19}, pack(t, many...)},
		"spool":   {input.Limits{Spool: 1 << 20}, zipped(t, pack(t, "zeros", strings.Repeat("\x00", 2<<20)))},
	} {
		temp := t.TempDir()
		_, err := input.Open(context.Background(), stored(t, c.data), input.Options{Limits: c.limits, TempDir: temp})
		if !errors.Is(err, input.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(temp); len(left) != 0 {
			t.Errorf("%s: left behind %v", name, left)
		}
	}
}

func TestWaitForPipeEndsWithContext(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := input.Read(ctx, r, input.Options{TempDir: t.TempDir()})
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestFailingReaderIsNotTheArchivesFault(t *testing.T) {
	broken := io.NopCloser(io.MultiReader(bytes.NewReader(zipped(t, pack(t, "a", "x"))[:20]), failing{}))
	_, err := input.Read(context.Background(), broken, input.Options{TempDir: t.TempDir()})
	if !errors.Is(err, os.ErrPermission) || errors.Is(err, input.ErrRefused) {
		t.Error(err)
	}
}

func TestLinksAreFollowedWithinTheArchiveOnly(t *testing.T) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range []tar.Header{
		{Name: "d/one", Typeflag: tar.TypeSymlink, Linkname: "../e/two"},
		{Name: "e/two", Typeflag: tar.TypeLink, Linkname: "file"},
		{Name: "file", Typeflag: tar.TypeReg},
		{Name: "d/up", Typeflag: tar.TypeSymlink, Linkname: "../../file"},
		{Name: "d/abs", Typeflag: tar.TypeSymlink, Linkname: "/file"},
		{Name: "loop", Typeflag: tar.TypeSymlink, Linkname: "loop"},
		{Name: "gone", Typeflag: tar.TypeSymlink, Linkname: "nothing"},
		{Name: "dir/", Typeflag: tar.TypeDir},
		{Name: "todir", Typeflag: tar.TypeSymlink, Linkname: "dir"},
	} {
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := input.Open(context.Background(), stored(t, buf.Bytes()), input.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.OpenLinked("d/one"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"d/up", "d/abs", "loop", "gone", "todir", "dir"} {
		if _, err := a.OpenLinked(name); !errors.Is(err, input.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"d/one", "e/two"} {
		if _, err := a.Open(name); !errors.Is(err, input.ErrRefused) {
			t.Errorf("%s without following: %v", name, err)
		}
	}
}

func TestCompressionIsFoundByItsFirstBytes(t *testing.T) {
	for head, want := range map[string]input.Compression{
		"":                         input.None,
		"\x1f\x8b\x08\x00":         input.Gzip,
		"\x28\xb5\x2f\xfd":         input.Zstd,
		"\x5f\x2a\x4d\x18\x00\x00": input.Zstd,
		"BZh9":                     input.Bzip2,
		"\xfd7zXZ\x00":             input.XZ,
		"blobs/":                   input.None,
	} {
		if got := input.Sniff([]byte(head)); got != want {
			t.Errorf("%q is %s, want %s", head, got, want)
		}
	}
}

// failing is a reader whose disk fails.
type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, &os.PathError{Op: "read", Path: "disk", Err: os.ErrPermission}
}

// xz reads a file of testdata, which `xz` made of want.
func xzFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".xz"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestXZIsReadAndHeldToItsWindowAndChecks(t *testing.T) {
	const want = "what was compressed with xz\n"
	read := func(data []byte, window int64) (string, error) {
		r, kind, err := input.Decompress(bytes.NewReader(data), window)
		if err != nil {
			return "", err
		}
		if kind != input.XZ {
			t.Fatal(kind)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		return string(b), err
	}
	plain := xzFile(t, "plain")
	for name, data := range map[string][]byte{"plain": plain, "crc32": xzFile(t, "crc32")} {
		if got, err := read(data, 0); got != want || err != nil {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if got, err := read(append(bytes.Clone(plain), plain...), 0); got != want+want || err != nil {
		t.Errorf("two streams: %q %v", got, err)
	}
	if got, err := read(xzFile(t, "window128MiB"), 256<<20); got != want || err != nil {
		t.Errorf("a large window that may be: %q %v", got, err)
	}
	altered := bytes.Clone(plain)
	altered[30] ^= 1
	for name, test := range map[string]struct {
		data []byte
		says string
	}{
		"a large window": {xzFile(t, "window128MiB"), "raise limits.window"},
		"cut":            {plain[:len(plain)-9], "xz: "},
		"altered":        {altered, "xz: "},
		"rubbish after":  {append(bytes.Clone(plain), "rubbish"...), "xz: "},
	} {
		if _, err := read(test.data, 0); !errors.Is(err, input.ErrRefused) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
