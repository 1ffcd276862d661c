package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// file is an entry of a test archive; a name that ends in "/" is a
// directory.
type file struct {
	name, content string
	kind          byte
	link          string
}

func archive(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Typeflag: f.kind, Linkname: f.link, Size: int64(len(f.content))}
		if f.kind == 0 {
			h.Typeflag = tar.TypeReg
			if strings.HasSuffix(f.name, "/") {
				h.Typeflag, h.Mode = tar.TypeDir, 0o755
			}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, f.content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func diffOf(b []byte) DiffID { return DiffID(digest.FromBytes(b)) }

// bench is a store with a driver whose directories a test can look into.
type bench struct {
	*Store
	t      testing.TB
	root   string
	driver *copyDriver
}

func open(t testing.TB, root string, with func(*Options)) *bench {
	t.Helper()
	d := newCopyDriver(filepath.Join(root, "copy"))
	opts := Options{Root: root, DriverName: "copy", Driver: entryDriver{d}}
	if with != nil {
		with(&opts)
	}
	s, err := Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &bench{s, t, root, d}
}

func (b *bench) add(tarball []byte, parent ChainID) Layer {
	b.t.Helper()
	l, err := b.Register(b.t.Context(), bytes.NewReader(tarball), parent, RegisterOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *bench) read(l Layer) []byte {
	b.t.Helper()
	got, err := readLayer(b.t.Context(), l)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func readLayer(ctx context.Context, l Layer) ([]byte, error) {
	rc, err := l.TarStream(ctx)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(rc)
	return b, errors.Join(err, rc.Close())
}

// nothingOrphaned checks that the driver, the layer store and the journal
// hold the layers of the store and nothing else.
func (b *bench) nothingOrphaned() {
	b.t.Helper()
	var want, chains []string
	for id, l := range b.Map() {
		want = append(want, l.CacheID())
		chains = append(chains, digest.Digest(id).Encoded())
	}
	var mounts []string
	for _, l := range b.RWLayers() {
		if want = append(want, l.MountID()); l.InitID() != "" {
			want = append(want, l.InitID())
		}
		mounts = append(mounts, l.Name())
	}
	check := func(what string, got, want []string) {
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			b.t.Errorf("%s: found %q, want %q", what, got, want)
		}
	}
	check("driver", b.driver.ids(), want)
	check("layerdb", names(b.at.chains()), chains)
	check("mounts", names(b.at.mounts()), mounts)
	check("transactions", names(b.at.tmp()), nil)
	check("journal", names(b.at.journal()), nil)
}

func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var n []string
	for _, e := range entries {
		n = append(n, e.Name())
	}
	return n
}

// drivers are the ways in which a store can deal with a driver.
var drivers = map[string]func(*copyDriver) graphdriver.Driver{
	"entries and getter": func(d *copyDriver) graphdriver.Driver { return entryDriver{d} },
	"raw archive, Get":   func(d *copyDriver) graphdriver.Driver { return d },
	"exact diffs":        func(d *copyDriver) graphdriver.Driver { return exactDriver{d, false} },
	"false exact diffs":  func(d *copyDriver) graphdriver.Driver { return exactDriver{d, true} },
}

func through(how func(*copyDriver) graphdriver.Driver) func(*Options) {
	return func(o *Options) { o.Driver = how(o.Driver.(entryDriver).copyDriver) }
}

func TestExportIsByteForByteWhatWasRegistered(t *testing.T) {
	lower := archive(t, file{name: "etc/"}, file{name: "etc/passwd", content: "root"}, file{name: "big", content: strings.Repeat("0123456789", 100_000)})
	upper := archive(t, file{name: "etc/.wh.passwd"}, file{name: "etc/hosts", content: "localhost"},
		file{name: "etc/also", kind: tar.TypeLink, link: "etc/hosts"}, file{name: "sym", kind: tar.TypeSymlink, link: "/etc/hosts"},
		file{name: "empty"})
	upper = append(upper, strings.Repeat("trailing", 5000)...)
	for name, how := range drivers {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			b := open(t, root, through(how))
			l := b.add(lower, "")
			u := b.add(upper, l.ChainID())
			if !bytes.Equal(b.read(l), lower) || !bytes.Equal(b.read(u), upper) {
				t.Fatal("other bytes came out")
			}
			_, err := os.Stat(filepath.Join(b.at.chain(u.ChainID()), fileTarSplit))
			if exact := name == "exact diffs"; exact != (err != nil) {
				t.Errorf("tar-split data: %v", err)
			}
			b.nothingOrphaned()

			again := open(t, root, through(how))
			u2, err := again.Get(u.ChainID())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.read(u2), upper) {
				t.Fatal("other bytes came out after reopening")
			}
			if err := again.Verify(t.Context(), u.ChainID()); err != nil {
				t.Error(err)
			}
			if u2.Depth() != 2 || u2.DiffSize() != 9 || u2.Size() != 9+1_000_004 || u2.Parent().ChainID() != l.ChainID() || u2.Parent().Parent() != nil {
				t.Errorf("depth %d, size %d of %d, parent %v", u2.Depth(), u2.DiffSize(), u2.Size(), u2.Parent())
			}
			for id, n := range b.driver.gets {
				if n != 0 {
					t.Errorf("layer %s: %d Gets without a Put", id, n)
				}
			}
		})
	}
}

func TestDigestMismatchLeavesNothing(t *testing.T) {
	for name, how := range drivers {
		t.Run(name, func(t *testing.T) {
			b := open(t, t.TempDir(), through(how))
			_, err := b.Register(t.Context(), bytes.NewReader(archive(t, file{name: "a", content: "x"})), "", RegisterOptions{Expected: diffOf(nil)})
			if !errors.Is(err, ErrDigestMismatch) {
				t.Fatalf("got %v", err)
			}
			b.nothingOrphaned()
		})
	}
}

func TestChangedByteNamesItsFile(t *testing.T) {
	tarball := archive(t, file{name: "etc/"}, file{name: "etc/a", content: "aaaa"}, file{name: "etc/b", content: "bbbb"}, file{name: "etc/c", content: "cccc"}, file{name: "etc/d", content: "dddd"})
	for name, damage := range map[string]func(path string) error{
		"changed": func(p string) error { return os.WriteFile(p, []byte("aXaa"), 0o644) },
		"shorter": func(p string) error { return os.Truncate(p, 3) },
		"longer":  func(p string) error { return os.WriteFile(p, []byte("aaaaa"), 0o644) },
		"gone":    os.Remove,
		"symlink": func(p string) error { return errors.Join(os.Remove(p), os.Symlink("b", p)) },
		"fifo":    func(p string) error { return errors.Join(os.Remove(p), mkfifo(p)) },
	} {
		t.Run(name, func(t *testing.T) {
			for way, how := range drivers {
				if way == "exact diffs" {
					continue
				}
				b := open(t, t.TempDir(), through(how))
				l := b.add(tarball, "")
				if err := damage(filepath.Join(b.driver.tree(l.CacheID()), "etc/a")); err != nil {
					t.Fatal(err)
				}
				got, err := readLayer(t.Context(), l)
				var fe *FileError
				if !errors.As(err, &fe) || fe.File != "etc/a" || fe.Layer != l.DiffID() || !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: read %d bytes, %v", way, len(got), err)
				}
				if len(got) > len(tarball) {
					t.Errorf("%s: %d bytes of %d", way, len(got), len(tarball))
				}
				// Verify goes on to the next damaged file.
				if err := os.Remove(filepath.Join(b.driver.tree(l.CacheID()), "etc/d")); err != nil {
					t.Fatal(err)
				}
				err = b.Verify(t.Context(), l.ChainID())
				if err == nil || !strings.Contains(err.Error(), `"etc/a"`) || !strings.Contains(err.Error(), `"etc/d"`) || strings.Contains(err.Error(), `"etc/b"`) {
					t.Errorf("%s: verify: %v", way, err)
				}
			}
		})
	}
}

func TestExactDiffIsVerifiedOnEveryRead(t *testing.T) {
	b := open(t, t.TempDir(), through(drivers["exact diffs"]))
	l := b.add(archive(t, file{name: "a", content: "x"}), "")
	raw := filepath.Join(b.driver.home, l.CacheID(), "raw")
	content, _ := os.ReadFile(raw)
	content[600] ^= 1
	os.WriteFile(raw, content, 0o600)
	if _, err := readLayer(t.Context(), l); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if err := b.Verify(t.Context(), l.ChainID()); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func TestTarStreamFromTakesAnyAncestor(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l1 := b.add(archive(t, file{name: "one", content: "1"}), "")
	l2 := b.add(archive(t, file{name: "two", content: "2"}), l1.ChainID())
	l3 := b.add(archive(t, file{name: "three", content: "3"}, file{name: ".wh.one"}), l2.ChainID())
	for parent, want := range map[ChainID]string{
		"": "three two", l1.ChainID(): "three two .wh.one", l2.ChainID(): "three .wh.one",
	} {
		rc, err := l3.TarStreamFrom(t.Context(), parent)
		if err != nil {
			t.Fatal(err)
		}
		if s := tarNames(t, rc); s != want {
			t.Errorf("from %q: %s, want %s", parent, s, want)
		}
	}
	for _, parent := range []ChainID{l3.ChainID(), ChainID(diffOf([]byte("other")))} {
		if _, err := l3.TarStreamFrom(t.Context(), parent); !errors.Is(err, ErrNotAncestor) || !strings.Contains(err.Error(), string(parent)) {
			t.Errorf("from %s: %v", parent, err)
		}
	}
}

// tarNames lists an archive's entries.
func tarNames(t *testing.T, rc io.Reader) string {
	t.Helper()
	var got []string
	for r := tar.NewReader(rc); ; {
		h, err := r.Next()
		if err == io.EOF {
			return strings.Join(got, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Name)
	}
}

func TestArchiveFaultsAndReaderFaultsAreToldApart(t *testing.T) {
	tarball := archive(t, file{name: "a", content: strings.Repeat("x", 5000)})
	broken := errors.New("connection reset")
	twice := archive(t, file{name: "a"}, file{name: "./a"})
	for name, how := range drivers {
		b := open(t, t.TempDir(), through(how))
		register := func(r io.Reader) error {
			_, err := b.Register(t.Context(), r, "", RegisterOptions{})
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %v", name, err)
			}
			return err
		}
		if err := register(io.MultiReader(bytes.NewReader(tarball[:3000]), errReader{broken})); !errors.Is(err, broken) || errors.Is(err, layertar.ErrRefused) {
			t.Errorf("%s: reader's error: %v", name, err)
		}
		if err := register(bytes.NewReader(tarball[:3000])); !errors.Is(err, layertar.ErrRefused) {
			t.Errorf("%s: truncated: %v", name, err)
		}
		if err := register(bytes.NewReader(twice)); !errors.Is(err, layertar.ErrRefused) || !strings.Contains(err.Error(), `"./a"`) {
			t.Errorf("%s: path twice: %v", name, err)
		}
		b.nothingOrphaned()
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestMissingParentAndDepth(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	tarball := archive(t)
	if _, err := b.Register(t.Context(), bytes.NewReader(tarball), ChainID(diffOf(nil)), RegisterOptions{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	ses, err := b.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ses.Close(t.Context())
	var chain ChainID
	for i := range MaxDepth {
		l, err := ses.Register(t.Context(), bytes.NewReader(tarball), chain, RegisterOptions{})
		if err != nil {
			t.Fatalf("layer %d: %v", i+1, err)
		}
		chain = l.ChainID()
	}
	if _, err := ses.Register(t.Context(), bytes.NewReader(tarball), chain, RegisterOptions{}); !errors.Is(err, ErrMaxDepth) {
		t.Error(err)
	}
	if err := ses.Close(t.Context()); err != nil {
		t.Error(err)
	}
	b.nothingOrphaned()
}
