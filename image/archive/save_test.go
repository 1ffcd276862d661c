package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/layer"
)

// loaded is a store with the sample under the names.
func loaded(t *testing.T, s sample, tags ...string) archive.Stores {
	t.Helper()
	st := stores(t, t.TempDir())
	if _, err := load(t, st, writeArchive(t, makeTar(t, dockerFiles(t, s, tags...)...))); err != nil {
		t.Fatal(err)
	}
	return st
}

func save(t *testing.T, st archive.Stores, format archive.Format, names ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "saved.tar")
	if err := archive.Save(context.Background(), st, names, path, archive.SaveOptions{Format: format}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// listing tells of every entry all that a tar can tell, and of JSON
// documents the text.
func listing(t *testing.T, data []byte) string {
	t.Helper()
	var out strings.Builder
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%c %o %d/%d %d %q %s %s\n", hdr.Typeflag, hdr.Mode, hdr.Uid, hdr.Gid, hdr.Size, hdr.Uname+hdr.Gname, hdr.ModTime.UTC().Format(time.RFC3339), hdr.Name)
		if json.Valid(content) {
			fmt.Fprintf(&out, "\t%s\n", content)
		}
	}
}

func TestLayoutOfSavedArchives(t *testing.T) {
	st := loaded(t, newSample(t, "one", "two"), "app:1", "example.com/app:2")
	for _, format := range []archive.Format{archive.DockerArchive, archive.OCIArchive} {
		got := listing(t, save(t, st, format, "app:1", "example.com/app:2"))
		path := filepath.Join("testdata", string(format)+".golden")
		if os.Getenv("BULKHEAD_UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is laid out\n%s\nand not\n%s", format, got, want)
		}
	}
}

func TestSameImagesMakeSameBytes(t *testing.T) {
	a, b := newSample(t, "base", "a"), newSample(t, "base", "b")
	var first []byte
	for _, order := range [][]string{{"a:1", "b:1"}, {"b:1", "a:1"}, {"b:1", "a:1", "b:1"}} {
		st := loaded(t, a, "a:1")
		if _, err := load(t, st, writeArchive(t, makeTar(t, dockerFiles(t, b, "b:1")...))); err != nil {
			t.Fatal(err)
		}
		data := save(t, st, archive.DockerArchive, order...)
		var stream bytes.Buffer
		if err := archive.SaveTo(context.Background(), st, order, &stream, archive.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stream.Bytes(), data) {
			t.Error("a stream and a file differ")
		}
		if first == nil {
			first = data
		}
		if !bytes.Equal(first, data) {
			t.Error("the second archive differs from the first")
		}
	}
}

func TestSavedNamesAreThoseAskedFor(t *testing.T) {
	s := newSample(t, "one")
	for name, c := range map[string]struct{ ask, want []string }{
		"a tag":            {[]string{"app:1"}, []string{"app:1"}},
		"a repository":     {[]string{"app"}, []string{"app:1", "app:2"}},
		"an ID":            {[]string{s.id().String()}, nil},
		"a short ID":       {[]string{s.id().Short()}, nil},
		"an ID and a name": {[]string{s.id().Short(), "app:2"}, []string{"app:2"}},
	} {
		t.Run(name, func(t *testing.T) {
			st := loaded(t, s, "app:1", "app:2", "other:1")
			for _, format := range []archive.Format{archive.DockerArchive, archive.OCIArchive} {
				root := t.TempDir()
				if _, err := load(t, stores(t, root), writeArchive(t, save(t, st, format, c.ask...))); err != nil {
					t.Fatal(err)
				}
				wantImage(t, root, s, c.want...)
			}
		})
	}
}

func TestEveryFormatIsLoadedAgain(t *testing.T) {
	s := newSample(t, "one", "two", "one")
	st := loaded(t, s, "app:1")
	for _, format := range []archive.Format{archive.DockerArchive, archive.OCIArchive, archive.OCIDir} {
		out := filepath.Join(t.TempDir(), "saved")
		if err := archive.Save(context.Background(), st, []string{"app:1"}, out, archive.SaveOptions{Format: format}); err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		if _, err := load(t, stores(t, root), out); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		wantImage(t, root, s, "app:1")
		if err := archive.Save(context.Background(), st, []string{"app:1"}, out, archive.SaveOptions{Format: format}); (err == nil) != (format != archive.OCIDir) {
			t.Errorf("%s over what is there: %v", format, err)
		}
	}
}

// skopeo checks every digest of what it copies.
func TestSkopeoCopiesWhatWasSaved(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo is not installed")
	}
	st := loaded(t, newSample(t, "one", "two", "one"), "app:1")
	for format, from := range map[archive.Format]string{
		archive.DockerArchive: "docker-archive:%s:app:1", archive.OCIArchive: "oci-archive:%s:1", archive.OCIDir: "oci:%s:1",
	} {
		out := filepath.Join(t.TempDir(), "saved")
		if err := archive.Save(context.Background(), st, []string{"app:1"}, out, archive.SaveOptions{Format: format}); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(skopeo, "--insecure-policy", "copy", fmt.Sprintf(from, out), "dir:"+filepath.Join(t.TempDir(), "copy"))
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", format, err, msg)
		}
	}
}

func TestImageWithoutLayersIsSavedAndLoaded(t *testing.T) {
	s := newSample(t)
	st := loaded(t, s, "empty:1")
	root := t.TempDir()
	if _, err := load(t, stores(t, root), writeArchive(t, save(t, st, archive.DockerArchive, "empty:1"))); err != nil {
		t.Fatal(err)
	}
	wantImage(t, root, s, "empty:1")
}

func TestParentGoesWithItsChild(t *testing.T) {
	parent, child := newSample(t, "base"), newSample(t, "base", "more")
	st := loaded(t, parent, "parent:1")
	if _, err := load(t, st, writeArchive(t, makeTar(t, dockerFiles(t, child, "child:1")...))); err != nil {
		t.Fatal(err)
	}
	if err := st.Images.SetParent(context.Background(), child.id(), parent.id()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ask  []string
		want image.ID
	}{{[]string{"child:1", "parent:1"}, parent.id()}, {[]string{"child:1"}, ""}} {
		to := stores(t, t.TempDir())
		if _, err := load(t, to, writeArchive(t, save(t, st, archive.DockerArchive, c.ask...))); err != nil {
			t.Fatal(err)
		}
		img, err := to.Images.Get(child.id())
		if err != nil || img.Parent != c.want {
			t.Errorf("parent %q (%v), want %q", img.Parent, err, c.want)
		}
	}
}

func TestFileThatWasThereStaysWhenSavingFails(t *testing.T) {
	st := loaded(t, newSample(t, "one"), "app:1")
	dir := t.TempDir()
	path := filepath.Join(dir, "out.tar")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, archive.Save(ctx, st, []string{"app:1"}, path, archive.SaveOptions{}), context.Canceled)
	wantError(t, archive.Save(context.Background(), st, []string{"none:1"}, path, archive.SaveOptions{}), image.ErrNotFound)
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "before" {
		t.Errorf("the file holds %q (%v)", data, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestLayerOfMoreThanEightGiBFitsOneHeader(t *testing.T) {
	for _, size := range []int64{1<<33 - 1, 1 << 33, 1 << 40} {
		hdr, err := archive.Header("blobs/sha256/x", tar.TypeReg, size)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tar.NewReader(bytes.NewReader(hdr)).Next()
		if err != nil || got.Size != size || len(hdr) != 512 {
			t.Errorf("%d comes back as %+v (%v)", size, got, err)
		}
	}
}

// progress notes what it is told.
type progress struct{ calls []string }

func (p *progress) Start(id layerID, total int64) {
	p.calls = append(p.calls, fmt.Sprint("start ", total))
}
func (p *progress) Advance(id layerID, n int64) {
	if n > 0 && !slices.Contains(p.calls, "advance") {
		p.calls = append(p.calls, "advance")
	}
}
func (p *progress) Done(layerID) { p.calls = append(p.calls, "done") }

func TestProgressIsToldOfEachLayer(t *testing.T) {
	s := newSample(t, "one")
	var p progress
	path := writeArchive(t, makeTar(t, dockerFiles(t, s, "app:1")...))
	if _, err := loadWith(t, stores(t, t.TempDir()), path, archive.LoadOptions{Progress: &p}); err != nil {
		t.Fatal(err)
	}
	if want := []string{fmt.Sprint("start ", len(s.layers[0])), "advance", "done"}; !slices.Equal(p.calls, want) {
		t.Errorf("told %v, want %v", p.calls, want)
	}
}

// looker looks at a directory while images are saved to it.
type looker struct {
	dir   string
	names []string
}

func (l *looker) Start(layer.DiffID, int64) {
	entries, _ := os.ReadDir(l.dir)
	for _, e := range entries {
		l.names = append(l.names, e.Name())
	}
}
func (*looker) Advance(layer.DiffID, int64) {}
func (*looker) Done(layer.DiffID)           {}

func TestArchiveHasNoNameUntilItIsWhole(t *testing.T) {
	s := newSample(t, "one", "two")
	st := loaded(t, s, "app:1")
	dir := t.TempDir()
	if fd, err := unix.Open(dir, unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600); err != nil {
		t.Skipf("files without a name: %v", err)
	} else {
		unix.Close(fd)
	}
	path := filepath.Join(dir, "out.tar")
	look := &looker{dir: dir}
	for range 2 { // the second time it replaces the first
		if err := archive.Save(context.Background(), st, []string{"app:1"}, path, archive.SaveOptions{Progress: look}); err != nil {
			t.Fatal(err)
		}
	}
	if len(look.names) != 2 || look.names[0] != "out.tar" {
		t.Errorf("while two layers were saved twice there were %v", look.names)
	}
}
